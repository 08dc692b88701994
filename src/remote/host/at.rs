//! Single files and folders of a machine: looked at, written whole, made, removed.
//!
//! Each call is one fixed script that takes its values as arguments. It first stands in the folder, with all
//! links on the way resolved, and goes on by plain names from there: nobody can swap the way under it. A link
//! on the way counts only when root or the account itself made it.

use super::words::Who;
use super::{Host, HostError, Marker, Output, Run};
use crate::domain::{RemotePath, SafeText};
use crate::remote::error::Result;
use crate::remote::secrets::random;

/// Who a file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// Whoever makes it.
    Maker,
    /// This user and group; as a rule only root can give things away.
    Named(&'a str, &'a str),
}

/// What kind of thing a path names. Links are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A plain file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A socket, pipe or device.
    Other,
}

/// What is known of a file without opening it. Links are not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStat {
    /// Its kind.
    pub kind: FileKind,
    /// Its permission bits: `0o640`.
    pub mode: u32,
    /// Its owner's name, or number where it has none.
    pub owner: String,
    /// Its group's name, or number where it has none.
    pub group: String,
    /// Bytes of its content.
    pub size: u64,
    /// When it was last written, in seconds since 1970.
    pub modified: i64,
}

/// One thing in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, as it may be shown.
    pub name: SafeText,
    /// Its path; `None` where its name is not one that this program would give.
    pub path: Option<RemotePath>,
    /// Its kind.
    pub kind: FileKind,
}

mod code {
    pub(super) const THERE: i32 = 43;
    pub(super) const ABSENT: i32 = 44;
    pub(super) const PLANTED: i32 = 45;
    pub(super) const KIND: i32 = 46;
    pub(super) const SHORT: i32 = 47;
    pub(super) const STRANGER: i32 = 50;
}

/// What all scripts below begin with. `inside` stands in a folder and trusts no stranger's link on the way.
macro_rules! script {
    ($text:literal) => {
        concat!(
            r#"set -eu; umask 077; trap 'exit 1' HUP INT TERM
trusted() {
    vigie_o=$(stat -c %u -- "$1")
    [ "$vigie_o" = 0 ] || [ "$vigie_o" = "$(id -u)" ]
}
inside() {
    cd -P -- "$1" 2> /dev/null || exit 44
    vigie_p=$(pwd -P)
    [ "$vigie_p" != "$1" ] || return 0
    vigie_at= vigie_rest=${1#/}/
    while [ -n "$vigie_rest" ]; do
        vigie_at=$vigie_at/${vigie_rest%%/*}
        vigie_rest=${vigie_rest#*/}
        if [ -L "$vigie_at" ]; then trusted "$vigie_at" || exit 45; fi
    done
    [ "$(cd -P -- "$1" && pwd -P)" = "$vigie_p" ] || exit 45
}
there() { [ -e "$1" ] || [ -L "$1" ]; }
"#,
            $text
        )
    };
}

const READ: &str = script!(
    r#"inside "$1"; f=./$2
there "$f" || exit 44
if [ -L "$f" ]; then
    trusted "$f" || [ "$(stat -c %u -- "$f")" = "$(stat -L -c %u -- "$f")" ] || exit 45
fi
[ -f "$f" ] || exit 46
exec head -c "$3" -- "$f""#
);
const STAT: &str = script!(
    r#"inside "$1"; there "./$2" || exit 44
exec stat -c '%f %u %g %U %G %s %Y' -- "./$2""#
);
const LIST: &str = script!(r#"inside "$1"; exec find . -mindepth 1 -maxdepth 1 -printf '%y %f\0'"#);
const WRITE: &str = script!(
    r#"inside "$1"; t=./$3
trap 'rm -f -- "$t"' EXIT
(set -C; cat > "$t")
[ "$(stat -c %s -- "$t")" = "$6" ] || exit 47
[ -z "$5" ] || chown -- "$5" "$t"
chmod -- "$4" "$t"
sync -- "$t"
mv -f -T -- "$t" "./$2"
trap - EXIT
sync -- ."#
);
const REMOVE: &str = script!(
    r#"inside "$1"; f=./$2
there "$f" || exit 44
if [ -d "$f" ] && [ ! -L "$f" ]; then exit 46; fi
if [ -n "$3" ]; then
    [ -f "$f" ] && [ ! -L "$f" ] || exit 50
    IFS= read -r line < "$f" || [ -n "$line" ] || exit 50
    case $line in *"$3" | *"$3 "*) ;; *) exit 50 ;; esac
fi
rm -f -- "$f"
sync -- ."#
);
const MAKE_DIR: &str = script!(
    r#"inside "$1"; d=./$2 t=./$3
if there "$d"; then
    [ -d "$d" ] && [ ! -L "$d" ] || exit 46
    exit 43
fi
trap 'rm -rf -- "$t"' EXIT
mkdir -- "$t"
if [ -n "$6" ]; then
    printf '%s\n' "$7" > "$t/$6"
    chmod 0644 -- "$t/$6"
    sync -- "$t/$6"
fi
[ -z "$5" ] || chown -- "$5" "$t"
chmod -- "$4" "$t"
mv -n -T -- "$t" "$d" || [ -d "$t" ]
[ ! -d "$t" ] || exit 43
trap - EXIT
sync -- ."#
);
const LINK: &str = script!(
    r#"inside "$1"; f=./$2
if there "$f"; then
    [ -L "$f" ] || exit 50
    [ "$(readlink -- "$f")" = "$3" ] || exit 50
    exit 43
fi
ln -s -T -- "$3" "$f"
sync -- ."#
);
const READ_LINK: &str = script!(
    r#"inside "$1"; there "./$2" || exit 44
[ -L "./$2" ] || exit 46
exec readlink -n -- "./$2""#
);

fn quiet(_: crate::domain::job::Stream, _: SafeText) {}

/// The folder and the name of a path, without what says nothing (`//`, `/./`).
fn split(path: &RemotePath) -> (String, String) {
    let parts: Vec<&str> = path
        .as_str()
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    match parts.split_last() {
        Some((name, folder)) => (format!("/{}", folder.join("/")), (*name).to_owned()),
        None => ("/".to_owned(), ".".to_owned()),
    }
}

fn kind_of(mode: u32) -> FileKind {
    match mode & 0o170_000 {
        0o100_000 => FileKind::File,
        0o040_000 => FileKind::Folder,
        0o120_000 => FileKind::Link,
        _ => FileKind::Other,
    }
}

impl Owner<'_> {
    fn word(self) -> String {
        match self {
            Self::Maker => String::new(),
            Self::Named(user, group) => format!("{user}:{group}"),
        }
    }
}

impl Host {
    /// Runs one of the scripts; what its exit status says is told apart from a failure.
    async fn script(
        &self,
        what: &str,
        script: &str,
        args: &[&str],
        stdin: Option<&[u8]>,
        writes: bool,
        keep: usize,
    ) -> Result<Output> {
        if writes {
            self.access.write(what)?;
        }
        let mut argv = vec!["sh", "-c", script, "vigie"];
        argv.extend(args);
        let run = Run {
            stdin,
            writes,
            ..Run::reading(&argv, self.call())
        };
        let who: Who = self.who(false).await?;
        let output = self.exec(&run, who, keep, &quiet).await?;
        let label = format!("{what} on {}", self.label);
        match output.code {
            Some(0 | code::THERE | code::ABSENT) => Ok(output),
            Some(code::PLANTED) => Err(HostError::Stranger {
                what: label,
                why: "a symbolic link on the way was made by someone else".to_owned(),
            }
            .into()),
            Some(code::KIND) => Err(HostError::Stranger {
                what: label,
                why: "something of another kind is there".to_owned(),
            }
            .into()),
            Some(code::STRANGER) => Err(HostError::Stranger {
                what: label,
                why: "what is there does not carry this job's mark, or is another's".to_owned(),
            }
            .into()),
            Some(code::SHORT) => Err(HostError::Cut {
                what: label,
                why: SafeText::new("not all of it arrived; nothing was changed"),
            }
            .into()),
            other => Err(HostError::Failed {
                what: label,
                program: "sh".to_owned(),
                status: other.map_or_else(|| "a signal".to_owned(), |code| format!("exit status {code}")),
                said: output.stderr,
            }
            .into()),
        }
    }

    /// A file's content; `None` where there is none (or, unless as root, it can't be seen).
    ///
    /// # Errors
    /// When it is longer than `cap` bytes, no plain file, or the machine can't be asked.
    pub async fn read(&self, path: &RemotePath, cap: usize) -> Result<Option<Vec<u8>>> {
        let (folder, name) = split(path);
        let (what, one_more) = (format!("read {path}"), cap.saturating_add(1));
        let most = one_more.to_string();
        let args = [&folder, &name, &most].map(String::as_str);
        let output = self.script(&what, READ, &args, None, false, one_more).await?;
        if output.code == Some(code::ABSENT) {
            return Ok(None);
        }
        if output.stdout.len() > cap {
            return Err(self.odd(what, format!("it is longer than {cap} bytes")).into());
        }
        Ok(Some(output.stdout))
    }

    /// What is known of a file, folder or link, which is not followed; `None` where there is none.
    ///
    /// # Errors
    /// When the machine can't be asked.
    pub async fn stat(&self, path: &RemotePath) -> Result<Option<FileStat>> {
        let (folder, name) = split(path);
        let what = format!("stat {path}");
        let output = self.script(&what, STAT, &[&folder, &name], None, false, 4096).await?;
        if output.code == Some(code::ABSENT) {
            return Ok(None);
        }
        let text = output.text();
        let words: Vec<&str> = text.split(' ').collect();
        let parsed = match words.as_slice() {
            [mode, uid, gid, user, group, size, modified] => {
                let named = |name: &str, number: &str| match name {
                    "UNKNOWN" => number.to_owned(),
                    name => name.to_owned(),
                };
                u32::from_str_radix(mode, 16).ok().and_then(|mode| {
                    Some(FileStat {
                        kind: kind_of(mode),
                        mode: mode & 0o7777,
                        owner: named(user, uid),
                        group: named(group, gid),
                        size: size.parse().ok()?,
                        modified: modified.parse().ok()?,
                    })
                })
            }
            _ => None,
        };
        parsed.map(Some).ok_or_else(|| self.odd(what, text).into())
    }

    /// What a symbolic link names; `None` where there is nothing.
    ///
    /// # Errors
    /// When it is no link, or the machine can't be asked.
    pub async fn read_link(&self, path: &RemotePath) -> Result<Option<SafeText>> {
        let (folder, name) = split(path);
        let what = format!("read {path}");
        let output = self
            .script(&what, READ_LINK, &[&folder, &name], None, false, 8192)
            .await?;
        let text = || SafeText::new(&String::from_utf8_lossy(&output.stdout));
        Ok((output.code == Some(0)).then(text))
    }

    /// What a folder holds, in no order; `None` where there is none.
    ///
    /// # Errors
    /// When the machine can't be asked.
    pub async fn list(&self, folder: &RemotePath) -> Result<Option<Vec<Entry>>> {
        let (parent, name) = split(folder);
        let whole = format!("{}/{name}", parent.trim_end_matches('/'));
        let whole = if name == "." { "/".to_owned() } else { whole };
        let (what, keep) = (format!("list {folder}"), self.limits.answer_bytes);
        let output = self.script(&what, LIST, &[&whole], None, false, keep).await?;
        if output.code == Some(code::ABSENT) {
            return Ok(None);
        }
        if output.stdout.len() >= keep {
            return Err(self.odd(what, "it holds too many things".to_owned()).into());
        }
        let entry = |bytes: &[u8]| {
            let (kind, name) = (bytes.first()?, bytes.get(2..)?);
            let plain = std::str::from_utf8(name).ok();
            Some(Entry {
                name: SafeText::new(&String::from_utf8_lossy(name)),
                path: plain.and_then(|name| folder.join(name).ok()),
                kind: match *kind {
                    b'f' => FileKind::File,
                    b'd' => FileKind::Folder,
                    b'l' => FileKind::Link,
                    _ => FileKind::Other,
                },
            })
        };
        Ok(Some(output.stdout.split(|b| *b == 0).filter_map(entry).collect()))
    }

    /// Writes a file whole: aside in its folder, synced, then renamed in place. What was there is replaced,
    /// a link itself and not what it names. Its content never touches a command line; it is never open to
    /// more than `mode` says, nor ever there in part.
    ///
    /// # Errors
    /// [`HostError::Stranger`] when a stranger's link is on the way or a folder has that name; when it fails.
    pub async fn write(&self, path: &RemotePath, bytes: &[u8], owner: Owner<'_>, mode: u32) -> Result<()> {
        let (folder, name) = split(path);
        let what = format!("write {path}");
        let (aside, owner) = (aside()?, owner.word());
        let (mode, length) = (format!("{mode:04o}"), bytes.len().to_string());
        let args = [&folder, &name, &aside, &mode, &owner, &length].map(String::as_str);
        let output = self.script(&what, WRITE, &args, Some(bytes), true, 4096).await?;
        self.must_be_there(what, &output, &folder)
    }

    /// Removes a file or a link, not what it names. `false`: there was none.
    ///
    /// # Errors
    /// [`HostError::Stranger`] when it is a folder; when it fails.
    pub async fn remove_file(&self, path: &RemotePath) -> Result<bool> {
        self.remove_with(path, "").await
    }

    /// Removes a file only if its first line ends with this mark, or has a blank behind it. `false`: there
    /// is no such file.
    ///
    /// # Errors
    /// [`HostError::Stranger`] when it carries another mark, or none.
    pub async fn remove_file_marked(&self, path: &RemotePath, mark: &str) -> Result<bool> {
        if mark.trim().is_empty() {
            return Err(self.odd(format!("remove {path}"), "an empty mark".to_owned()).into());
        }
        self.remove_with(path, mark).await
    }

    async fn remove_with(&self, path: &RemotePath, mark: &str) -> Result<bool> {
        let (folder, name) = split(path);
        let what = format!("remove {path}");
        let output = self
            .script(&what, REMOVE, &[&folder, &name, mark], None, true, 4096)
            .await?;
        Ok(output.code == Some(0))
    }

    /// Makes a folder, whole with owner, mode and marker or not at all. `false`: it is there already, and
    /// stays as it is.
    ///
    /// # Errors
    /// [`HostError::Stranger`] when what is there is no folder, or does not hold the marker that is asked
    /// for; when it fails.
    pub async fn make_dir(
        &self,
        path: &RemotePath,
        owner: Owner<'_>,
        mode: u32,
        marker: Option<&Marker<'_>>,
    ) -> Result<bool> {
        let (folder, name) = split(path);
        let what = format!("make {path}");
        let (aside, owner, mode) = (aside()?, owner.word(), format!("{mode:04o}"));
        let (file, text) = marker.map_or(("", ""), |marker| (marker.file, marker.text));
        let args = [&folder, &name, &aside, &mode, &owner, file, text];
        let output = self.script(&what, MAKE_DIR, &args, None, true, 4096).await?;
        if output.code == Some(code::THERE) {
            if let Some(marker) = marker
                && !self.carries(path, marker).await?
            {
                let why = format!("{path} is there and does not carry this job's mark");
                return Err(self.stranger(what, why).into());
            }
            return Ok(false);
        }
        self.must_be_there(what, &output, &folder)?;
        Ok(true)
    }

    /// Makes a symbolic link. `false`: the same one is there already.
    ///
    /// # Errors
    /// [`HostError::Stranger`] when something else has that name; when it fails.
    pub async fn make_link(&self, path: &RemotePath, target: &RemotePath) -> Result<bool> {
        let (folder, name) = split(path);
        let what = format!("link {path}");
        let args = [&folder, &name, target.as_str()];
        let output = self.script(&what, LINK, &args, None, true, 4096).await?;
        if output.code == Some(code::THERE) {
            return Ok(false);
        }
        self.must_be_there(what, &output, &folder)?;
        Ok(true)
    }

    fn must_be_there(&self, what: String, output: &Output, folder: &str) -> Result<()> {
        match output.code {
            Some(code::ABSENT) => Err(self.odd(what, format!("there is no folder {folder}")).into()),
            _ => Ok(()),
        }
    }
}

/// A name that nobody can foresee.
fn aside() -> Result<String> {
    let nonce: String = random::<8>()?.iter().map(|b| format!("{b:02x}")).collect();
    Ok(format!(".vigie-{nonce}"))
}
