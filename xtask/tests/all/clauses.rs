//! Every shipped rule, and every clause of it, has a test that fails without it.
//!
//! Each rule, each operand of `and`, `or` and `unless` and each comparison is deleted in turn, and the rule tests run
//! on what is left: first those that ask for the rule itself, with nothing loaded but what it reads, then those that ask
//! for what it feeds. That is what makes hundreds of runs cheap.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;

use promql_parser::parser::token::{T_LAND, T_LOR, T_LUNLESS};
use promql_parser::parser::{self, BinaryExpr, Expr};
use seamless_core::duration;
use seamless_lab::servers::{Generation, PROMTOOL};
use serde_json::{Value, json};

mod every_clause_has_a_test_that_fails_without_it {
    use super::Generation;

    // Native histograms can be given to today's promtool only.
    #[test]
    fn current() {
        Generation::Current.during(super::delete_every_clause);
    }
}

fn delete_every_clause() {
    let promtool = PROMTOOL.require().unwrap();
    let rules = TestedRules::shipped();
    let tests = xtask::render::rule_tests(&xtask::root()).unwrap();
    let tests: Vec<Value> = tests.values().flat_map(|text| one_by_one(text)).collect();
    let waiting = Mutex::new((0..rules.0.len()).collect::<Vec<_>>());
    let survivors = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let deleted = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let Some(index) = waiting.lock().unwrap().pop() else {
                        return;
                    };
                    let clauses = rules.0[index].without_each_clause();
                    *deleted.lock().unwrap() += clauses.len();
                    let name = rules.0[index].name.as_str();
                    let missed = [BTreeSet::from([name]), rules.fed_by(name)].iter().fold(
                        clauses,
                        |left, wanted| {
                            ClauseTrial::new(&promtool, &rules, index, &tests, wanted)
                                .survivors(left)
                        },
                    );
                    let described = missed.iter().map(|(what, _)| rules.0[index].describe(what));
                    survivors.lock().unwrap().extend(described);
                }
            });
        }
    });
    let survivors = survivors.into_inner().unwrap();
    assert!(*deleted.lock().unwrap() > 300, "{deleted:?} clauses");
    assert!(
        survivors.is_empty(),
        "no test fails without:\n{}",
        survivors.join("\n")
    );
}

/// A rule, and the group that evaluates it.
struct TestedRule {
    group: String,
    name: String,
    fields: Value,
    expr: Expr,
}

impl TestedRule {
    /// What each clause is, and the rule without it.
    fn without_each_clause(&self) -> Vec<(String, Expr)> {
        let nothing = parser::parse("vector(0) > 1").unwrap();
        let mut without = vec![("the rule itself".to_owned(), nothing)];
        delete(&self.expr, &mut |what, left| without.push((what, left)));
        without
    }

    fn describe(&self, what: &str) -> String {
        format!("{} {}: {what}", self.name, self.fields["labels"])
    }
}

pub(crate) struct TestedRules(Vec<TestedRule>);

impl TestedRules {
    pub(crate) fn shipped() -> Self {
        let text = fs::read_to_string(xtask::root().join("alert_rules.yml")).unwrap();
        let file: Value = serde_saphyr::from_str(&text).unwrap();
        let mut rules = Vec::new();
        for group in file["groups"].as_array().unwrap() {
            for fields in group["rules"].as_array().unwrap() {
                let name = fields.get("alert").or_else(|| fields.get("record"));
                rules.push(TestedRule {
                    group: group["name"].as_str().unwrap().to_owned(),
                    name: name.unwrap().as_str().unwrap().to_owned(),
                    fields: fields.clone(),
                    expr: parser::parse(fields["expr"].as_str().unwrap()).unwrap(),
                });
            }
        }
        Self(rules)
    }

    /// The names that a rule reads, in its expression or its texts.
    fn reads(&self, name: &str) -> BTreeSet<&str> {
        let texts: Vec<String> = self
            .0
            .iter()
            .filter(|rule| rule.name == name)
            .map(|rule| rule.fields.to_string().replace("\\n", " "))
            .collect();
        let recorded = self.0.iter().filter(|rule| {
            rule.name != name && texts.iter().any(|text| mentions(text, &rule.name))
        });
        recorded.map(|rule| rule.name.as_str()).collect()
    }

    /// A name and whatever reads it, directly or not.
    fn fed_by(&self, name: &str) -> BTreeSet<&str> {
        self.closure(name, |known| {
            self.0
                .iter()
                .map(|rule| rule.name.as_str())
                .filter(|rule| self.reads(rule).iter().any(|read| known.contains(read)))
                .collect()
        })
    }

    /// Names and whatever they read, directly or not.
    fn needed_by<'a>(&'a self, names: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
        let mut all = names.clone();
        for name in names {
            all.extend(self.closure(name, |known| {
                known.iter().flat_map(|name| self.reads(name)).collect()
            }));
        }
        all
    }

    fn closure<'a>(
        &'a self,
        name: &str,
        next: impl Fn(&BTreeSet<&'a str>) -> BTreeSet<&'a str>,
    ) -> BTreeSet<&'a str> {
        let own = self.0.iter().map(|rule| rule.name.as_str());
        let mut known: BTreeSet<&str> = own.filter(|own| *own == name).collect();
        loop {
            let before = known.len();
            let more = next(&known);
            known.extend(more);
            if known.len() == before {
                return known;
            }
        }
    }

    /// A rule file of what a test asks for and whatever that reads; none if it asks for more than rules by name.
    pub(crate) fn asked_by(&self, test: &Value) -> Option<Value> {
        let mut wanted = BTreeSet::new();
        for (kind, field) in ASKED {
            for asked in test["tests"][0][kind].as_array().into_iter().flatten() {
                let names = self.named_in(asked[field].as_str().unwrap());
                wanted.extend(names?);
            }
        }
        Some(self.file(&self.needed_by(&wanted), None))
    }

    /// The rules that a question is about; none if it is about those that it does not name, too.
    fn named_in(&self, text: &str) -> Option<BTreeSet<&str>> {
        let names = self.0.iter().map(|rule| rule.name.as_str());
        let names: BTreeSet<&str> = names.filter(|name| mentions(text, name)).collect();
        (!names.is_empty() && !text.contains("alertname!=")).then_some(names)
    }

    /// A rule file of the named rules, the one at `changed` with another expression.
    fn file(&self, names: &BTreeSet<&str>, changed: Option<(usize, &Expr)>) -> Value {
        let mut groups: Vec<(&str, Vec<Value>)> = Vec::new();
        for (index, rule) in self.0.iter().enumerate() {
            if !names.contains(rule.name.as_str()) {
                continue;
            }
            let mut fields = rule.fields.clone();
            if let Some((_, expr)) = changed.filter(|(at, _)| *at == index) {
                fields["expr"] = json!(expr.to_string());
            }
            match groups.last_mut() {
                Some((name, rules)) if *name == rule.group => rules.push(fields),
                _ => groups.push((&rule.group, vec![fields])),
            }
        }
        let groups = groups
            .into_iter()
            .map(|(name, rules)| json!({"name": name, "rules": rules}));
        json!({ "groups": groups.collect::<Vec<_>>() })
    }
}

/// Whether `text` has `name` as a whole word.
fn mentions(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    text.match_indices(name)
        .any(|(at, _)| !text[..at].ends_with(part) && !text[at + name.len()..].starts_with(part))
}

/// What a test may ask, and where it names what it asks for.
const ASKED: [(&str, &str); 2] = [
    ("alert_rule_test", "alertname"),
    ("promql_expr_test", "expr"),
];

/// Every test of a file, each as a file of its own.
pub(crate) fn one_by_one(text: &str) -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(text).unwrap();
    let tests = file["tests"].as_array().unwrap().iter();
    let alone = tests.map(|test| {
        let mut one = file.clone();
        one["rule_files"] = json!(["rules.yml"]);
        one["tests"] = json!([test]);
        one
    });
    alone.collect()
}

/// Roughly how long a test takes: how often its rules are evaluated.
fn cost(file: &Value) -> u128 {
    let time = |text: &Value| duration::parse(text.as_str().unwrap()).unwrap().as_millis();
    let test = &file["tests"][0];
    let asked = ASKED
        .iter()
        .filter_map(|(kind, _)| test[kind].as_array())
        .flatten();
    let last = asked.map(|asked| time(&asked["eval_time"])).max();
    last.unwrap_or_default() / time(&file["evaluation_interval"])
}

/// What is left of a test if only the `loaded` rules are there and only `wanted` ones matter.
fn reduced(
    file: &Value,
    rules: &TestedRules,
    loaded: &BTreeSet<&str>,
    wanted: &BTreeSet<&str>,
) -> Option<Value> {
    let mut file = file.clone();
    let test = &mut file["tests"][0];
    let mut left = 0;
    for (kind, field) in ASKED {
        let Some(asked) = test.get_mut(kind).and_then(Value::as_array_mut) else {
            continue;
        };
        asked.retain(|asked| {
            let names = rules.named_in(asked[field].as_str().unwrap());
            names.is_some_and(|names| names.is_subset(loaded) && !names.is_disjoint(wanted))
        });
        left += asked.len();
    }
    (left > 0).then_some(file)
}

/// One rule, and the tests that ask for what is wanted of it.
struct ClauseTrial<'a> {
    promtool: &'a Path,
    rules: &'a TestedRules,
    index: usize,
    loaded: BTreeSet<&'a str>,
    folder: tempfile::TempDir,
    tests: Vec<String>,
    proven: BTreeSet<String>,
}

impl<'a> ClauseTrial<'a> {
    fn new(
        promtool: &'a Path,
        rules: &'a TestedRules,
        index: usize,
        tests: &[Value],
        wanted: &BTreeSet<&'a str>,
    ) -> Self {
        let mut trial = Self {
            promtool,
            rules,
            index,
            loaded: rules.needed_by(wanted),
            folder: tempfile::tempdir().unwrap(),
            tests: Vec::new(),
            proven: BTreeSet::new(),
        };
        let asking = tests.iter();
        let mut asking: Vec<Value> = asking
            .filter_map(|test| reduced(test, rules, &trial.loaded, wanted))
            .collect();
        asking.sort_by_key(cost);
        for (number, test) in asking.iter().enumerate() {
            let name = format!("{number}.yml");
            fs::write(trial.folder.path().join(&name), test.to_string()).unwrap();
            trial.tests.push(name);
        }
        trial
    }

    /// Those of the changed expressions with which every test still passes.
    fn survivors(mut self, without: Vec<(String, Expr)>) -> Vec<(String, Expr)> {
        let mut survivors = Vec::new();
        for (what, left) in without {
            self.load(Some(&left));
            let failed = self.tests.iter().position(|test| !self.passes(test));
            if let Some(at) = failed {
                self.passes_unchanged(&self.tests[at].clone());
                // What failed without this clause may well fail without the next.
                self.tests[..=at].rotate_right(1);
            } else {
                survivors.push((what, left));
            }
        }
        survivors
    }

    fn load(&self, changed: Option<&Expr>) {
        let file = self
            .rules
            .file(&self.loaded, changed.map(|expr| (self.index, expr)));
        fs::write(self.folder.path().join("rules.yml"), file.to_string()).unwrap();
    }

    /// What fails without a clause must pass with it, or its failure would prove nothing.
    fn passes_unchanged(&mut self, test: &str) {
        if self.proven.insert(test.to_owned()) {
            self.load(None);
            let output = self.judge(test);
            assert!(
                output.status.success(),
                "{}: {output:?}",
                self.rules.0[self.index].name
            );
        }
    }

    fn passes(&self, test: &str) -> bool {
        self.judge(test).status.success()
    }

    fn judge(&self, test: &str) -> Output {
        Command::new(self.promtool)
            .current_dir(self.folder.path())
            // Processes that end at once need not collect their garbage.
            .env("GOGC", "400")
            .args(["test", "rules", test])
            .output()
            .unwrap()
    }
}

/// Calls `found` with each clause of an expression and with what is left without it.
fn delete(expr: &Expr, found: &mut dyn FnMut(String, Expr)) {
    match expr {
        Expr::Binary(binary) => {
            let operator = binary.op.id();
            let joined = matches!(operator, T_LAND | T_LOR | T_LUNLESS);
            if joined || binary.op.is_comparison_operator() {
                let what = format!("{} {}", binary.op, binary.rhs);
                found(what, (*binary.lhs).clone());
            }
            // The first of several operands is deleted where they are two.
            let first = !matches!(&*binary.lhs, Expr::Binary(lhs) if lhs.op.is_set_operator());
            if matches!(operator, T_LAND | T_LOR) && first {
                let what = format!("{} {}", binary.lhs, binary.op);
                found(what, (*binary.rhs).clone());
            }
            let with = |lhs: &Expr, rhs: &Expr| {
                Expr::Binary(BinaryExpr {
                    lhs: Box::new(lhs.clone()),
                    rhs: Box::new(rhs.clone()),
                    ..binary.clone()
                })
            };
            delete(&binary.lhs, &mut |what, left| {
                found(what, with(&left, &binary.rhs))
            });
            delete(&binary.rhs, &mut |what, left| {
                found(what, with(&binary.lhs, &left))
            });
        }
        Expr::Aggregate(aggregate) => delete(&aggregate.expr, &mut |what, left| {
            let mut changed = aggregate.clone();
            changed.expr = Box::new(left);
            found(what, Expr::Aggregate(changed));
        }),
        Expr::Unary(unary) => delete(&unary.expr, &mut |what, left| {
            let mut changed = unary.clone();
            changed.expr = Box::new(left);
            found(what, Expr::Unary(changed));
        }),
        Expr::Paren(paren) => delete(&paren.expr, &mut |what, left| {
            let mut changed = paren.clone();
            changed.expr = Box::new(left);
            found(what, Expr::Paren(changed));
        }),
        Expr::Call(call) => {
            for (at, argument) in call.args.args.iter().enumerate() {
                delete(argument, &mut |what, left| {
                    let mut changed = call.clone();
                    *changed.args.args[at] = left;
                    found(what, Expr::Call(changed));
                });
            }
        }
        Expr::Subquery(_)
        | Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_)
        | Expr::Extension(_) => {}
    }
}
