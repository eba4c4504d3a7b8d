//! What a copy will cost: which way the bytes go, how long, who pays. Estimates say what they assume.

use crate::error::EngineError;
use crate::placing::advised;
use crate::settings::Engine;
use firn_model::hosting::{Egress, EgressAnswer, egress, local};
use firn_model::policy::destination::Shape;
use firn_storage::{ObjectUrl, Prefix, Quota, StorageError};

/// Requests of small objects that are under way at once, and how long one takes, in seconds: from a machine near the storage to
/// one across an ocean.
const AT_ONCE: f64 = 32.0;
const REQUEST: (f64, f64) = (0.005, 0.15);
/// Bytes a second of a network, and of disks.
const NETWORK: (f64, f64) = (100e6, 5e6);
const DISK: (f64, f64) = (1e9, 50e6);

/// How a copy would go.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct CopyAdvice {
    /// How the objects are copied, in one sentence.
    pub method: String,
    /// Requests that write, without repeated ones.
    pub requests: u64,
    /// How long it takes at least and at most, in seconds.
    pub seconds: [u64; 2],
    /// What that assumes.
    pub assuming: String,
    /// Who pays when the bytes leave the source: `none`, `provider` (its owner), `reader` (whoever copies), `unknown`.
    pub egress: Egress,
    /// Why.
    pub egress_because: String,
    /// What the traffic costs, where the configuration has a price: `12.30 USD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress_cost: Option<String>,
    /// What the configuration says of the destination, and what that means for these objects.
    pub rules: Vec<String>,
}

/// What is known of a copy before it is made.
pub struct Planned<'a> {
    /// `server`, `local` or `through`.
    pub route: &'a str,
    /// Objects to copy.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The largest of them, in bytes.
    pub largest: u64,
    /// What they are.
    pub shape: Shape,
}

/// How a copy from here to there would go.
///
/// # Errors
/// An address that leads nowhere.
pub fn advise(engine: &Engine, from: &Prefix, to: &Prefix, plan: &Planned<'_>) -> Result<CopyAdvice, EngineError> {
    let limits = &engine.storage.settings().limits;
    let (low, high, requests, assuming) = match plan.route {
        "local" => (plan.bytes as f64 / DISK.0, plan.bytes as f64 / DISK.1, 0, "disks of 50 MB/s to 1 GB/s".to_owned()),
        route => {
            // What is larger goes in parts, with a request before and after them.
            let parts = if plan.largest < limits.multipart_from { 0 } else { plan.bytes / limits.part.max(1) + 2 };
            let requests = plan.objects + parts;
            let turns = requests as f64 / AT_ONCE;
            let (fast, slow) = match limits.bandwidth {
                Some(limit) => (NETWORK.0.min(limit as f64), NETWORK.1.min(limit as f64)),
                None => NETWORK,
            };
            let moved = if route == "server" { 0.0 } else { plan.bytes as f64 };
            let assuming = match (route, limits.bandwidth) {
                ("server", _) => "5 to 150 ms a request, 32 at once".to_owned(),
                (_, None) => "a network of 5 to 100 MB/s, and 5 to 150 ms a request, 32 at once".to_owned(),
                (_, Some(limit)) => {
                    format!("at most {:.1} MB/s (--bwlimit), and 5 to 150 ms a request", limit as f64 / 1e6)
                }
            };
            (moved / fast + turns * REQUEST.0, moved / slow + turns * REQUEST.1, requests, assuming)
        }
    };
    let method = match plan.route {
        "server" => "the storage copies the objects itself; no byte passes this machine",
        "local" => "the operating system copies the files, and shares their bytes where the file system can",
        _ if plan.largest >= limits.multipart_from => {
            "objects are read and written by this machine, large ones in parts side by side, in bounded memory"
        }
        _ => "objects are read and written by this machine, many at once, in bounded memory",
    };
    let EgressAnswer { egress, because, .. } = traffic(engine, from, plan.route)?;
    let seconds = [low.ceil().max(1.0) as u64, high.ceil().max(1.0) as u64];
    let mut rules = rules(engine, to.url())?;
    rules.extend(advised(engine, &from.url().to_string(), plan.shape));
    let egress_cost = if plan.route == "server" { None } else { price(engine, from.url(), plan.bytes)? };
    let method = method.to_owned();
    Ok(CopyAdvice { method, requests, seconds, assuming, egress, egress_because: because, egress_cost, rules })
}

/// Who pays for reading: what the configuration says, else what is known of the service.
fn traffic(engine: &Engine, from: &Prefix, route: &str) -> Result<EgressAnswer, EngineError> {
    if route == "server" {
        let because = "the bytes stay in the service".to_owned();
        return Ok(EgressAnswer { egress: Egress::None, service: None, because, this_machine: false });
    }
    who_pays(engine, from.url())
}

/// Who pays when something at this address is read.
///
/// # Errors
/// An address that leads nowhere.
pub fn who_pays(engine: &Engine, from: &ObjectUrl) -> Result<EgressAnswer, EngineError> {
    if let Some((location, _)) = engine.storage.location_of(from)?
        && let Some(egress) = location.egress
    {
        let because = format!("locations.{}: egress = \"{}\"", location.name, egress.name());
        return Ok(EgressAnswer { egress, service: None, because, this_machine: false });
    }
    Ok(engine.storage.web_address(from)?.map_or_else(local, |url| egress(&url)))
}

/// What the configuration says of the destination.
///
/// # Errors
/// An address that leads nowhere.
pub fn rules(engine: &Engine, to: &ObjectUrl) -> Result<Vec<String>, EngineError> {
    let Some((location, _)) = engine.storage.location_of(to)? else {
        return Ok(vec![format!("{to} lies in no location of firn.toml: nothing is known of its rules")]);
    };
    let name = &location.name;
    let mut rules = vec![format!("locations.{name}: role = \"{}\"", location.role)];
    match location.rules.public {
        Some(true) => rules.push(format!("locations.{name}: public: everybody reads what is copied there")),
        Some(false) => rules.push(format!("locations.{name}: public = false: only who has its credentials reads it")),
        None => {}
    }
    if let Some(time) = &location.retention {
        rules.push(format!("locations.{name}: retention = \"{time}\": what lies there is removed after that time"));
    }
    if let Some(owner) = &location.rules.owner {
        rules.push(format!("locations.{name}: owner = {owner:?}: each user writes below the own folder"));
    }
    if let Some(quota) = location.quota {
        let quota = String::from(quota);
        rules.push(format!("locations.{name}: quota = {quota:?}: firn du {name}: tells what of it is used"));
    }
    Ok(rules)
}

/// Refuses what is more than may lie at the destination, were it empty.
///
/// # Errors
/// [`StorageError::Forbidden`] with the rule.
pub fn quota(engine: &Engine, to: &Prefix, bytes: u64) -> Result<(), EngineError> {
    let Some((location, _)) = engine.storage.location_of(to.url())? else { return Ok(()) };
    match location.quota {
        Some(Quota(quota)) if bytes > quota => Err(StorageError::Forbidden {
            at: to.url().at(),
            rule: format!("locations.{}: quota = {:?}", location.name, String::from(Quota(quota))),
            what: format!("{bytes} bytes are more than may lie there"),
        }
        .into()),
        _ => Ok(()),
    }
}

/// What the traffic costs, where the configuration has a price: `12.30 USD`.
///
/// # Errors
/// An address that leads nowhere.
pub fn price(engine: &Engine, from: &ObjectUrl, bytes: u64) -> Result<Option<String>, EngineError> {
    let location = engine.storage.location_of(from)?;
    Ok(location.and_then(|(location, _)| Some(location.egress_price.as_ref()?.of(bytes))))
}
