//! Settings: files, then the environment, then the profile, then arguments, the later over the earlier;
//! typed, each with a documented default (`config.example.toml`). What is wrong is told with its place
//! and left out.

mod alerts;
mod dedicated;
mod docs;
mod load;
#[cfg(test)]
mod mistakes_tests;
mod parse;
mod paths;
mod read;
mod reread;
mod schema;
mod screen;
mod settings;
mod stack;
#[cfg(test)]
mod tests;
mod value;

pub use alerts::{Alerts, Notify};
pub use dedicated::{Dedicated, PortSpan};
pub use docs::{EXAMPLE, SectionDoc, SettingDoc, about, documentation};
pub use load::{Arguments, ENVIRONMENT, LoadError, Loaded, config_file, load};
pub use parse::{ConfigError, nearest, parse};
pub use paths::{PathError, Places, Platform, private_dir, write_private};
pub use read::NO_PROFILE;
pub use reread::{Reread, reread};
pub use schema::schema;
pub use screen::{Ascii, Colours, KeyList, Keys, ReadyKeys};
pub use settings::{
    Checks, Fleet, Limits, Log, LogLevel, Paths, RegistrySettings, Retention, Screen, Settings, StartPane,
    WorkerSettings,
};
pub use stack::Origin;
pub use value::{Bounded, KeyText, PathText, Percent, PlaceText, SecretText, Span, is_address, masked};
