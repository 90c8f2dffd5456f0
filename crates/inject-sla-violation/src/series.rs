//! Every series of a drill, made once, with its labels rendered.
//!
//! Owns which series there are. Their values at a step are `Values`; a series set never changes.

use seamless_core::exposition::MetricType;
use seamless_core::exposition::write::{BadLabelName, Bounds, RenderedLabels};
use seamless_core::schema::{self, Buckets, DRILL_LABEL, Family, Kind, Phase};

use crate::request::Request;
use crate::scenario::{self, Cardinality, Generator, Waveform};

/// The series of a drill, family by family.
#[derive(Debug)]
pub(crate) struct SeriesSet {
    pub(crate) families: Vec<SeriesFamily>,
}

/// A family and its series.
#[derive(Debug)]
pub(crate) struct SeriesFamily {
    pub(crate) family: &'static Family,
    /// The name that the exposition uses.
    pub(crate) name: String,
    /// A histogram's bucket bounds; none for the other types.
    pub(crate) edges: &'static [f64],
    /// The same, rendered.
    pub(crate) bounds: Bounds,
    pub(crate) groups: Vec<SeriesGroup>,
}

/// Series that move alike and differ only in who exposes them.
#[derive(Debug)]
pub(crate) struct SeriesGroup {
    pub(crate) waveform: Waveform,
    pub(crate) violates: bool,
    /// The phase that the observations belong to.
    pub(crate) phase: Option<Phase>,
    /// The labels of each copy.
    pub(crate) copies: Vec<RenderedLabels>,
    /// What the copies' labels are made of, for sinks that need them apart.
    label_source: LabelSource,
}

/// How a group's labels come about.
#[derive(Debug, Clone)]
struct LabelSource {
    family: &'static Family,
    /// A label and value that all copies share.
    own: Option<(&'static str, &'static str)>,
    /// The lease's number, in the families of leases.
    lease: u64,
}

impl SeriesSet {
    /// Every series that `request` asks for.
    ///
    /// # Errors
    /// [`BadLabelName`] never, as long as the schema's label names are valid.
    pub(crate) fn new(request: &Request) -> Result<Self, BadLabelName> {
        let mut families: Vec<SeriesFamily> = Vec::new();
        for (generator, violates) in scenario::generators(&request.scenarios) {
            let Some(family) = schema::family(generator.family) else {
                continue;
            };
            let groups = groups(request, family, &generator, violates)?;
            if groups.is_empty() {
                continue;
            }
            match families.last_mut() {
                Some(last) if last.family.name == family.name => last.groups.extend(groups),
                _ => families.push(SeriesFamily::new(family, request.buckets, groups)),
            }
        }
        Ok(Self { families })
    }

    /// How many series there are.
    pub(crate) fn series(&self) -> u64 {
        self.families.iter().map(SeriesFamily::series).sum()
    }
}

impl SeriesFamily {
    fn new(family: &'static Family, buckets: Buckets, groups: Vec<SeriesGroup>) -> Self {
        let edges = match family.kind {
            Kind::Histogram(edges) => buckets.bounds(edges),
            Kind::Counter | Kind::Gauge => &[],
        };
        Self {
            family,
            name: family.exposition_name(),
            edges,
            bounds: Bounds::new(edges),
            groups,
        }
    }

    /// The type that the exposition states.
    pub(crate) const fn metric_type(&self) -> MetricType {
        match self.family.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram(_) => MetricType::Histogram,
        }
    }

    /// How many series the family has.
    pub(crate) fn series(&self) -> u64 {
        let copies: usize = self.groups.iter().map(|group| group.copies.len()).sum();
        (copies * self.series_per_copy()) as u64
    }

    /// How many series one copy of a group has: a histogram's buckets, `_sum` and `_count`.
    pub(crate) const fn series_per_copy(&self) -> usize {
        match self.family.kind {
            Kind::Histogram(_) => self.bounds.buckets() + 2,
            Kind::Counter | Kind::Gauge => 1,
        }
    }
}

impl SeriesGroup {
    /// The labels of the copy at `index`, name by name.
    pub(crate) fn pairs<'r>(&self, request: &'r Request, index: usize) -> Vec<(&'r str, String)> {
        self.label_source.pairs(request, index)
    }
}

fn groups(
    request: &Request,
    family: &'static Family,
    generator: &Generator,
    violates: bool,
) -> Result<Vec<SeriesGroup>, BadLabelName> {
    let group = |own, phase, lease| -> Result<SeriesGroup, BadLabelName> {
        let label_source = LabelSource { family, own, lease };
        let copies = (0..label_source.copies(request))
            .map(|index| {
                let pairs = label_source.pairs(request, index);
                RenderedLabels::new(pairs.iter().map(|(name, value)| (*name, value.as_str())))
            })
            .collect::<Result<_, _>>()?;
        Ok(SeriesGroup {
            waveform: generator.waveform,
            violates,
            phase,
            copies,
            label_source,
        })
    };
    match generator.cardinality {
        Cardinality::Single => Ok(vec![group(None, None, 0)?]),
        Cardinality::Lease(number) => Ok(vec![group(None, None, number)?]),
        Cardinality::OfPhase(phase) if request.phases.contains(&phase) => {
            Ok(vec![group(None, Some(phase), 0)?])
        }
        Cardinality::OfPhase(_) => Ok(Vec::new()),
        Cardinality::PerPhase => request
            .phases
            .iter()
            .map(|phase| group(Some(("phase", phase.label())), Some(*phase), 0))
            .collect(),
        Cardinality::Per(label, values) => values
            .iter()
            .map(|value| group(Some((label, *value)), None, 0))
            .collect(),
    }
}

impl LabelSource {
    /// Families without a world in their labels have one copy per node; two would be one series.
    fn per_world(&self) -> bool {
        ["world_id", "lease_key"]
            .iter()
            .any(|label| self.family.labels.contains(label))
    }

    fn copies(&self, request: &Request) -> usize {
        let per_node = ["node_id", "limiter"];
        if !per_node
            .iter()
            .any(|label| self.family.labels.contains(label))
        {
            return 1;
        }
        request.nodes * if self.per_world() { request.worlds } else { 1 }
    }

    fn pairs<'r>(&self, request: &'r Request, index: usize) -> Vec<(&'r str, String)> {
        let (node, world) = if self.per_world() {
            (index / request.worlds, index % request.worlds)
        } else {
            (index, 0)
        };
        let node = numbered(&request.node_id, node);
        let world = numbered(&request.world_id, world);
        let mut pairs = Vec::with_capacity(self.family.labels.len() + 1);
        for label in self.family.labels {
            let value = match (*label, self.own) {
                (label, Some((own, value))) if label == own => value.to_owned(),
                ("node_id", _) => node.clone(),
                ("world_id", _) => world.clone(),
                ("interval", _) => request.interval.to_string(),
                ("lease_key", _) => lease_key(&node, request.interval, self.lease, &world),
                ("limiter", _) => format!("{node}-limiter"),
                ("worker", _) => "drill-worker".to_owned(),
                ("coordinator", _) => format!("drill-coordinator-{}:8000", self.lease + 1),
                _ => continue,
            };
            pairs.push((*label, value));
        }
        let further = &request.labels;
        pairs.extend(further.iter().map(|(name, value)| (&**name, value.clone())));
        pairs.push((DRILL_LABEL, request.drill_id.clone()));
        // To Prometheus an empty value is no label, and remote write forbids it.
        pairs.retain(|(_, value)| !value.is_empty());
        pairs
    }
}

/// The first copy goes by the name itself, so that one copy is named as asked.
fn numbered(name: &str, index: usize) -> String {
    match index {
        0 => name.to_owned(),
        index => format!("{name}-{}", index + 1),
    }
}

/// A canonical key with an empty as-of. The window is a real one, long past, and the same in every
/// drill.
fn lease_key(node: &str, interval: u64, number: u64, world: &str) -> String {
    let start = 1_700_000_000 / interval * interval + number * interval;
    format!("{node}:{interval}:{start}:{}:{world}:", start + interval)
}
