//! Every series of a drill, made once: its labels rendered, its motion at hand.
//!
//! Owns which series there are. What they are worth at a moment is a `Frame`; a cast never changes, and
//! any number of frames share it.

use seamless_core::exposition::MetricType;
use seamless_core::exposition::write::{BadLabelName, Bounds, Labels};
use seamless_core::schema::{self, DRILL_LABEL, Family, Kind, Phase};

use crate::request::Request;
use crate::scenario::{self, Feed, Motion, Variety};

/// The series of a drill, family by family.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) families: Vec<CastFamily>,
}

/// A family and its series.
#[derive(Debug)]
pub(crate) struct CastFamily {
    pub(crate) family: &'static Family,
    /// The name that the exposition uses.
    pub(crate) name: String,
    /// A histogram's bucket bounds; none for the other types.
    pub(crate) bounds: Bounds,
    pub(crate) roles: Vec<Role>,
}

/// Series that move alike and differ only in who exposes them.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) motion: Motion,
    pub(crate) violates: bool,
    /// The phase that the observations belong to.
    pub(crate) phase: Option<Phase>,
    /// The labels of each copy.
    pub(crate) copies: Vec<Labels>,
    /// What the copies' labels are made of, for sinks that need them apart.
    script: Script,
}

/// How a role's labels come about.
#[derive(Debug, Clone)]
struct Script {
    family: &'static Family,
    /// A label and value that all copies share.
    own: Option<(&'static str, &'static str)>,
    /// The lease's number, in the family of leases.
    lease: u64,
}

impl Cast {
    /// Every series that `request` asks for.
    ///
    /// # Errors
    /// [`BadLabelName`] never, as long as the schema's label names are valid.
    pub(crate) fn new(request: &Request) -> Result<Self, BadLabelName> {
        let mut families: Vec<CastFamily> = Vec::new();
        for (feed, violates) in scenario::feeds(&request.scenarios) {
            let Some(family) = schema::family(feed.family) else {
                continue;
            };
            let roles = roles(request, family, feed, violates)?;
            if roles.is_empty() {
                continue;
            }
            match families.last_mut() {
                Some(last) if last.family.name == family.name => last.roles.extend(roles),
                _ => families.push(CastFamily::new(family, roles)),
            }
        }
        Ok(Self { families })
    }

    /// How many series there are.
    pub(crate) fn series(&self) -> u64 {
        self.families.iter().map(CastFamily::series).sum()
    }
}

impl CastFamily {
    fn new(family: &'static Family, roles: Vec<Role>) -> Self {
        let bounds = match family.kind {
            Kind::Histogram(bounds) => bounds,
            Kind::Counter | Kind::Gauge => &[],
        };
        Self {
            family,
            name: family.exposition_name(),
            bounds: Bounds::new(bounds),
            roles,
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
        let copies: usize = self.roles.iter().map(|role| role.copies.len()).sum();
        copies as u64 * self.series_per_copy()
    }

    /// How many series one copy of a role has: a histogram's buckets, `_sum` and `_count`.
    pub(crate) const fn series_per_copy(&self) -> u64 {
        match self.family.kind {
            Kind::Histogram(_) => self.bounds.buckets() as u64 + 2,
            Kind::Counter | Kind::Gauge => 1,
        }
    }
}

impl Role {
    /// The labels of the copy at `index`, name by name.
    pub(crate) fn pairs(&self, request: &Request, index: usize) -> Vec<(&'static str, String)> {
        self.script.pairs(request, index)
    }
}

fn roles(
    request: &Request,
    family: &'static Family,
    feed: &Feed,
    violates: bool,
) -> Result<Vec<Role>, BadLabelName> {
    let role = |own, phase, lease| -> Result<Role, BadLabelName> {
        let script = Script { family, own, lease };
        let copies = (0..script.copies(request))
            .map(|index| {
                let pairs = script.pairs(request, index);
                Labels::new(pairs.iter().map(|(name, value)| (*name, value.as_str())))
            })
            .collect::<Result<_, _>>()?;
        Ok(Role {
            motion: feed.motion,
            violates,
            phase,
            copies,
            script,
        })
    };
    match feed.variety {
        Variety::Single => Ok(vec![role(None, None, 0)?]),
        Variety::Lease(number) => Ok(vec![role(None, None, number)?]),
        Variety::OfPhase(phase) if request.phases.contains(&phase) => {
            Ok(vec![role(None, Some(phase), 0)?])
        }
        Variety::OfPhase(_) => Ok(Vec::new()),
        Variety::PerPhase => request
            .phases
            .iter()
            .map(|phase| role(Some(("phase", phase.label())), Some(*phase), 0))
            .collect(),
        Variety::Per(label, values) => values
            .iter()
            .map(|value| role(Some((label, *value)), None, 0))
            .collect(),
    }
}

impl Script {
    /// Families without a world in their labels have one copy per node; two would be one series.
    fn per_world(&self) -> bool {
        ["world_id", "lease_key"]
            .iter()
            .any(|label| self.family.labels.contains(label))
    }

    fn copies(&self, request: &Request) -> usize {
        request.nodes * if self.per_world() { request.worlds } else { 1 }
    }

    fn pairs(&self, request: &Request, index: usize) -> Vec<(&'static str, String)> {
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
                _ => continue,
            };
            pairs.push((*label, value));
        }
        pairs.push((DRILL_LABEL, request.drill_id.clone()));
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
