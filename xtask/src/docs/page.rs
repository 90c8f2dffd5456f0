//! What the checks need to know of one Markdown page.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A page, in the order of its text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Its headings.
    pub headings: Vec<Heading>,
    /// Its fenced code blocks.
    pub blocks: Vec<Block>,
    /// Its links.
    pub links: Vec<Link>,
    /// Its tables.
    pub tables: Vec<Table>,
    /// The bold words that paragraphs begin with.
    pub labels: Vec<BoldLabel>,
}

/// A heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// 1 to 6.
    pub level: u8,
    /// Its text.
    pub text: String,
    /// What links to it: the `<a id>` right before it, or what GitHub makes of its text.
    pub anchor: String,
    /// Its line, from 1.
    pub line: usize,
}

/// A fenced code block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The language after the fence.
    pub language: String,
    /// What it holds.
    pub text: String,
    /// The line of its fence, from 1.
    pub line: usize,
    /// The index of the heading above it in [`Page::headings`].
    pub heading: Option<usize>,
    /// The index of the label above it in [`Page::labels`].
    pub label: Option<usize>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// How many columns it has.
    pub columns: usize,
    /// How many rows follow its header.
    pub rows: usize,
    /// The index of the heading above it in [`Page::headings`].
    pub heading: Option<usize>,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it leads.
    pub target: String,
    /// Its line, from 1.
    pub line: usize,
}

/// Bold words at the beginning of a paragraph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoldLabel {
    /// The words.
    pub text: String,
    /// The index of the heading above it in [`Page::headings`].
    pub heading: Option<usize>,
}

/// A command that the reader is told to type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageCommand<'p> {
    /// The command, in one line.
    pub text: String,
    /// The anchor of the heading above it.
    pub anchor: &'p str,
    /// The label above it in the same section; empty if there is none.
    pub label: &'p str,
}

impl Page {
    /// Reads a page.
    #[must_use]
    pub fn parse(markdown: &str) -> Self {
        let mut page = Self::default();
        let mut reading = PageReading::default();
        let events = Parser::new_ext(markdown, Options::ENABLE_TABLES).into_offset_iter();
        for (event, range) in events {
            page.take(&mut reading, event, range, markdown);
        }
        page
    }

    /// Whether something can link to `anchor`.
    #[must_use]
    pub fn has(&self, anchor: &str) -> bool {
        self.headings.iter().any(|heading| heading.anchor == anchor)
    }

    /// What the `sh` blocks say to type, in order. A line that ends in a backslash goes on in the next.
    pub fn commands(&self) -> impl Iterator<Item = PageCommand<'_>> {
        let blocks = self.blocks.iter().filter(|block| block.language == "sh");
        blocks.flat_map(|block| {
            let text = block.text.replace("\\\n", " ");
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.into_iter().map(|text| PageCommand {
                text,
                anchor: self.place(block.heading),
                label: block
                    .label
                    .and_then(|index| self.labels.get(index))
                    .filter(|label| label.heading == block.heading)
                    .map_or("", |label| &label.text),
            })
        })
    }

    /// The anchor of the heading with that index, for messages.
    #[must_use]
    pub fn place(&self, heading: Option<usize>) -> &str {
        heading
            .and_then(|index| self.headings.get(index))
            .map_or("the top", |heading| &heading.anchor)
    }

    fn take(
        &mut self,
        reading: &mut PageReading,
        event: Event<'_>,
        range: Range<usize>,
        markdown: &str,
    ) {
        let line = || {
            markdown
                .get(..range.start)
                .map_or(0, |before| before.matches('\n').count())
                + 1
        };
        let heading = self.headings.len().checked_sub(1);
        let at_start = std::mem::take(&mut reading.paragraph_starts);
        match event {
            Event::Start(Tag::Paragraph) => reading.paragraph_starts = true,
            Event::Start(Tag::Strong) if at_start => reading.label = Some(String::new()),
            Event::End(TagEnd::Strong) => {
                if let Some(text) = reading.label.take() {
                    self.labels.push(BoldLabel { text, heading });
                }
            }
            Event::Start(Tag::Heading { level, .. }) => {
                self.headings.push(Heading {
                    level: level as u8,
                    text: String::new(),
                    anchor: reading.anchor.take().unwrap_or_default(),
                    line: line(),
                });
                reading.in_heading = true;
            }
            Event::End(TagEnd::Heading(_)) => {
                reading.in_heading = false;
                if let Some(heading) = self.headings.last_mut()
                    && heading.anchor.is_empty()
                {
                    heading.anchor = slug(&heading.text);
                }
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                reading.in_block = true;
                self.blocks.push(Block {
                    language: language.into_string(),
                    text: String::new(),
                    line: line(),
                    heading,
                    label: self.labels.len().checked_sub(1),
                });
            }
            Event::End(TagEnd::CodeBlock) => reading.in_block = false,
            Event::Start(Tag::Table(columns)) => self.tables.push(Table {
                columns: columns.len(),
                rows: 0,
                heading,
            }),
            Event::Start(Tag::TableRow) => {
                if let Some(table) = self.tables.last_mut() {
                    table.rows += 1;
                }
            }
            Event::Start(Tag::Link { dest_url, .. }) => self.links.push(Link {
                target: dest_url.into_string(),
                line: line(),
            }),
            Event::Html(html) | Event::InlineHtml(html) => {
                let id = html.trim().strip_prefix("<a id=\"");
                if let Some((id, _)) = id.and_then(|rest| rest.split_once('"')) {
                    reading.anchor = Some(id.to_owned());
                }
            }
            Event::Text(text) | Event::Code(text) => self.text(reading, &text),
            _ => {}
        }
    }

    fn text(&mut self, reading: &mut PageReading, text: &str) {
        if let Some(label) = &mut reading.label {
            label.push_str(text);
        }
        if reading.in_heading
            && let Some(heading) = self.headings.last_mut()
        {
            heading.text.push_str(text);
        }
        if reading.in_block
            && let Some(block) = self.blocks.last_mut()
        {
            block.text.push_str(text);
        }
    }
}

/// What the reader is in the middle of.
#[derive(Debug, Default)]
struct PageReading {
    anchor: Option<String>,
    label: Option<String>,
    paragraph_starts: bool,
    in_heading: bool,
    in_block: bool,
}

/// The anchor that GitHub gives to a heading.
fn slug(text: &str) -> String {
    text.to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# Top `page`

<a id=\"given\"></a>

## 절

**Meaning.** See [there](other.md#x).

```sh
echo 1
echo 2 \\
  3
```
";

    #[test]
    fn a_page_is_taken_apart() {
        let page = Page::parse(TEXT);
        let headings: Vec<_> = page
            .headings
            .iter()
            .map(|h| (h.level, h.anchor.as_str(), h.line))
            .collect();
        assert_eq!(headings, [(1, "top-page", 1), (2, "given", 5)]);
        assert_eq!(page.blocks[0].language, "sh");
        assert_eq!(page.blocks[0].text, "echo 1\necho 2 \\\n  3\n");
        assert_eq!(page.place(page.blocks[0].heading), "given");
        assert_eq!(page.links[0].target, "other.md#x");
        assert_eq!(page.labels[0].text, "Meaning.");
        let commands: Vec<_> = page.commands().collect();
        assert_eq!(commands[0].text, "echo 1");
        assert_eq!(commands[1].text, "echo 2    3");
        assert_eq!(
            (commands[1].anchor, commands[1].label),
            ("given", "Meaning.")
        );
    }
}
