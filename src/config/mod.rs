//! Settings: files, then the environment, then arguments, the later over the earlier; typed, each
//! with a documented default (`config.example.toml`).

mod alerts;
mod load;
mod parse;
mod paths;
mod screen;
mod settings;
#[cfg(test)]
mod tests;
mod value;

pub use alerts::{Alerts, Notify};
pub use load::{Arguments, ENVIRONMENT, LoadError, Loaded, load};
pub use parse::{ConfigError, nearest, parse};
pub use paths::{PathError, Places, Platform, private_dir, write_private};
pub use screen::{Ascii, Colours, KeyList, Keys, ReadyKeys};
pub use settings::{
    Checks, Fleet, Limits, Log, LogLevel, Paths, RegistrySettings, Retention, Screen, Settings, StartPane,
    WorkerSettings,
};
pub use value::{Bounded, KeyText, PathText, Percent, PlaceText, SecretText, Span, is_address};
