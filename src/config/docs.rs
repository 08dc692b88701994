//! What the example file says about each setting: for the schema, the manual page and the shell.

/// The example, with every setting and its default.
pub const EXAMPLE: &str = include_str!("../../config.example.toml");

/// A section of the file, as the example explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionDoc {
    /// Its name; of a list of tables, with its brackets.
    pub name: String,
    /// What stands above it.
    pub about: String,
    /// Its settings.
    pub settings: Vec<SettingDoc>,
}

/// A setting, as the example explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingDoc {
    /// Its name in the section.
    pub key: String,
    /// What stands above it.
    pub about: String,
    /// Its default, as it is written.
    pub default: String,
}

/// The example, section by section.
pub fn documentation() -> Vec<SectionDoc> {
    let mut sections: Vec<SectionDoc> = Vec::new();
    let mut about: Vec<&str> = Vec::new();
    for line in EXAMPLE.lines() {
        if let Some(comment) = line.strip_prefix('#') {
            about.push(comment.trim());
        } else if let Some(rest) = line.strip_prefix('[') {
            sections.push(SectionDoc {
                name: rest.split(']').next().unwrap_or_default().to_owned(),
                about: about.join(" "),
                settings: Vec::new(),
            });
            about.clear();
        } else if let Some((key, value)) = line.split_once(" = ") {
            let setting = SettingDoc {
                key: key.trim().to_owned(),
                about: about.join(" "),
                default: without_comment(value).to_owned(),
            };
            if let Some(section) = sections.last_mut() {
                section.settings.push(setting);
            }
            about.clear();
        } else {
            about.clear();
        }
    }
    sections
}

fn without_comment(value: &str) -> &str {
    match value.rsplit_once(" #") {
        Some((value, _)) => value.trim(),
        None => value.trim(),
    }
}

/// What the example says about `section.key`, or about a section.
pub fn about(setting: &str) -> Option<String> {
    let (section, key) = match setting.split_once('.') {
        Some((section, key)) => (section, Some(key)),
        None => (setting, None),
    };
    let found = documentation().into_iter().find(|doc| doc.name == section)?;
    let about = match key {
        None => found.about,
        Some(key) => found.settings.into_iter().find(|doc| doc.key == key)?.about,
    };
    (!about.is_empty()).then_some(about)
}
