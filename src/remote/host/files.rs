//! Files on a machine, by the programs every one has. Paths are absolute, so none is an option.

use super::{Host, HostError, Output, Run};
use crate::domain::RemotePath;
use crate::remote::error::Result;
use std::time::Duration;

fn quiet(_: crate::domain::job::Stream, _: crate::domain::SafeText) {}

impl Host {
    async fn ask(&self, argv: &[&str]) -> Result<Output> {
        self.run(&Run::reading(argv, self.call()), &quiet).await
    }

    async fn change(&self, argv: &[&str], stdin: Option<&[u8]>, limit: Duration) -> Result<Output> {
        let run = Run {
            stdin,
            ..Run::writing(argv, limit)
        };
        self.must(&run, &quiet).await
    }

    /// Whether something is there.
    ///
    /// # Errors
    /// When the machine can't be asked.
    pub async fn exists(&self, path: &RemotePath) -> Result<bool> {
        let output = self.ask(&["test", "-e", path.as_str()]).await?;
        match output.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            other => Err(self
                .odd(format!("test -e {path}"), format!("ended with {other:?}"))
                .into()),
        }
    }

    /// A small file's content; `None` where there is none, or it can't be read.
    ///
    /// # Errors
    /// When the machine can't be asked.
    pub async fn read_file(&self, path: &RemotePath) -> Result<Option<Vec<u8>>> {
        let output = self.ask(&["cat", "--", path.as_str()]).await?;
        Ok(output.is_success().then_some(output.stdout))
    }

    /// Owner and group as numbers: `101:103`.
    ///
    /// # Errors
    /// When it is not there, or the machine can't be asked.
    pub async fn owner_of(&self, path: &RemotePath) -> Result<String> {
        let output = self.ask(&["stat", "-c", "%u:%g", "--", path.as_str()]).await?;
        if output.is_success() {
            return Ok(output.text());
        }
        Err(self.odd(format!("stat {path}"), output.stderr.to_string()).into())
    }

    /// Bytes of all files below a folder.
    ///
    /// # Errors
    /// When it is not there, or the machine can't be asked.
    pub async fn tree_size(&self, path: &RemotePath) -> Result<u64> {
        let output = self.ask(&["du", "-sb", "--", path.as_str()]).await?;
        let text = output.text();
        let bytes = text.split_whitespace().next().and_then(|n| n.parse().ok());
        bytes.ok_or_else(|| self.odd(format!("du {path}"), output.stderr.to_string()).into())
    }

    /// Copies a folder with owners, modes and times, sharing blocks where the file system can. The
    /// target must not exist.
    ///
    /// # Errors
    /// When the target exists, the copy fails, or the owner could not be kept.
    pub async fn copy_tree_reflink(&self, source: &RemotePath, target: &RemotePath) -> Result<()> {
        let what = format!("copy {source} to {target}");
        self.access.write(&what)?;
        if self.exists(target).await? {
            return Err(self.stranger(what, format!("{target} exists")).into());
        }
        let argv = [
            "cp",
            "-a",
            "--reflink=auto",
            "-T",
            "--",
            source.as_str(),
            target.as_str(),
        ];
        self.change(&argv, None, self.limits.copy_files).await?;
        let (from, to) = (self.owner_of(source).await?, self.owner_of(target).await?);
        if from != to {
            let why = format!("the source belongs to {from} and the copy to {to}: connect as root or as the owner");
            return Err(self.odd(what, why).into());
        }
        Ok(())
    }

    /// Renames within a file system. What has the new name stays as it is.
    ///
    /// # Errors
    /// When the new name is taken.
    pub async fn rename_no_replace(&self, from: &RemotePath, to: &RemotePath) -> Result<()> {
        let what = format!("rename {from} to {to}");
        self.access.write(&what)?;
        // Newer versions of mv fail when the name is taken, older ones only leave the source.
        let argv = ["mv", "-n", "-T", "--", from.as_str(), to.as_str()];
        let output = self.run(&Run::writing(&argv, self.call()), &quiet).await?;
        if self.exists(from).await? {
            let why = match output.stderr.as_str() {
                "" => format!("{to} exists"),
                said => said.to_owned(),
            };
            return Err(self.stranger(what, why).into());
        }
        Ok(())
    }

    /// Removes a folder for good. Says nothing where there is none.
    ///
    /// # Errors
    /// When it fails.
    pub(super) async fn remove_tree(&self, path: &RemotePath) -> Result<()> {
        let argv = ["rm", "-rf", "--one-file-system", "--", path.as_str()];
        self.change(&argv, None, self.limits.copy_files).await?;
        Ok(())
    }

    /// Removes a folder only if its marker file holds this text, by way of `aside`, a one-time
    /// sibling: a removal that is cut off never leaves a half tree without a mark. `false`: there is
    /// no such folder.
    ///
    /// # Errors
    /// [`HostError::Stranger`] when it carries another mark, or none.
    pub async fn remove_tree_marked(&self, path: &RemotePath, marker: &Marker<'_>, aside: &RemotePath) -> Result<bool> {
        let what = format!("remove {path}");
        self.access.write(&what)?;
        if self.exists(aside).await? {
            self.remove_tree(aside).await?;
        }
        if !self.exists(path).await? {
            return Ok(false);
        }
        if !self.carries(path, marker).await? {
            return Err(self
                .stranger(what, format!("{path} does not carry this job's mark"))
                .into());
        }
        self.rename_no_replace(path, aside).await?;
        self.remove_tree(aside).await?;
        Ok(true)
    }

    /// Whether a folder's marker file holds this text.
    ///
    /// # Errors
    /// When the machine can't be asked.
    pub async fn carries(&self, folder: &RemotePath, marker: &Marker<'_>) -> Result<bool> {
        let Ok(file) = folder.join(marker.file) else {
            return Ok(false);
        };
        let content = self.read_file(&file).await?;
        Ok(content.is_some_and(|bytes| bytes.trim_ascii() == marker.text.as_bytes()))
    }

    pub(super) fn odd(&self, what: String, why: String) -> HostError {
        HostError::Unexpected {
            what: format!("{what} on {}", self.label),
            why,
        }
    }

    pub(super) fn stranger(&self, what: String, why: String) -> HostError {
        HostError::Stranger {
            what: format!("{what} on {}", self.label),
            why,
        }
    }
}

/// A file inside a folder that says who made the folder.
pub struct Marker<'a> {
    /// Its name.
    pub file: &'a str,
    /// Its one line.
    pub text: &'a str,
}
