//! Settings: flags > `FIRN_*` > `./firn.toml` > the user's `firn/config.toml` > defaults. Read once.

pub mod environment;
mod file;
pub mod machine;
mod policy;
mod settings;
pub mod size;

pub use environment::Environment;
pub use file::{ConfigFile, Found};
pub use settings::{Flags, Origin, Setting, Settings};
