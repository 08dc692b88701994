//! Odoo's filestore: `<data_dir>/filestore/<database>`, where attachments and images are. A copy of
//! a database without it shows broken images everywhere.

use super::{Host, Marker, Owner};
use crate::domain::job::Mark;
use crate::domain::{DbName, RemotePath};
use crate::remote::error::{RemoteError, Result};

/// The file that says which job made a filestore. Odoo's own clean-up leaves it alone.
const MARK_FILE: &str = ".vigie-mark";

/// The filestores of one server.
#[derive(Clone)]
pub struct Filestore {
    host: Host,
    root: RemotePath,
}

/// What cloning a filestore came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreClone {
    /// It was copied now.
    Now,
    /// It had been already.
    Already,
    /// The source has none.
    NoSource,
}

impl Filestore {
    /// The filestores below `data_dir`.
    ///
    /// # Errors
    /// When that is too long for a path.
    pub fn new(host: Host, data_dir: &RemotePath) -> Result<Self> {
        let root = path(data_dir, "filestore")?;
        Ok(Self { host, root })
    }

    /// The folder of one database.
    ///
    /// # Errors
    /// When that is too long for a path.
    pub fn folder(&self, db: &DbName) -> Result<RemotePath> {
        path(&self.root, db.as_str())
    }

    /// A sibling that only this mark's job uses: for copies that aren't complete, and for what is
    /// being removed. No database's name begins with a dot, so Odoo never looks there.
    fn aside(&self, mark: &Mark) -> Result<RemotePath> {
        path(&self.root, &format!(".vigie-{}-{}", mark.job, mark.nonce))
    }

    /// Whether a database has a filestore.
    ///
    /// # Errors
    /// When the machine can't be asked.
    pub async fn exists(&self, db: &DbName) -> Result<bool> {
        self.host.exists(&self.folder(db)?).await
    }

    /// Bytes of a database's filestore; 0 where there is none.
    ///
    /// # Errors
    /// When the machine can't be asked.
    pub async fn bytes(&self, db: &DbName) -> Result<u64> {
        let folder = self.folder(db)?;
        match self.host.exists(&folder).await? {
            true => self.host.tree_size(&folder).await,
            false => Ok(0),
        }
    }

    /// Whether a database's filestore was made by this job.
    ///
    /// # Errors
    /// When the machine can't be asked.
    pub async fn is_marked(&self, db: &DbName, mark: &Mark) -> Result<bool> {
        let text = mark.to_string();
        self.host.carries(&self.folder(db)?, &marker(&text)).await
    }

    /// Copies the filestore of `source` for `target`: aside, marked, then renamed in place. Owners
    /// are kept. Done already, it changes nothing.
    ///
    /// # Errors
    /// [`HostError::Stranger`](super::HostError::Stranger) when the target has one that isn't this job's.
    pub async fn clone_to(&self, source: &DbName, target: &DbName, mark: &Mark) -> Result<StoreClone> {
        let (from, to, aside) = (self.folder(source)?, self.folder(target)?, self.aside(mark)?);
        let what = format!("copy the filestore of {source} to {target}");
        self.host.access.write(&what)?;
        if self.host.exists(&to).await? {
            if self.is_marked(target, mark).await? {
                return Ok(StoreClone::Already);
            }
            return Err(self.host.stranger(what, format!("{to} exists already")).into());
        }
        if !self.host.exists(&from).await? {
            return Ok(StoreClone::NoSource);
        }
        self.host.remove_tree(&aside).await?;
        self.host.copy_tree_reflink(&from, &aside).await?;
        let text = format!("{mark}\n");
        self.host
            .write(&path(&aside, MARK_FILE)?, text.as_bytes(), Owner::Maker, 0o644)
            .await?;
        self.host.rename_no_replace(&aside, &to).await?;
        Ok(StoreClone::Now)
    }

    /// Removes what [`Filestore::clone_to`] made or left half made, and nothing else. `false`: there
    /// was nothing.
    ///
    /// # Errors
    /// [`HostError::Stranger`](super::HostError::Stranger) when the target's filestore isn't this job's.
    pub async fn undo(&self, target: &DbName, mark: &Mark) -> Result<bool> {
        let text = mark.to_string();
        let (folder, aside) = (self.folder(target)?, self.aside(mark)?);
        self.host.remove_tree_marked(&folder, &marker(&text), &aside).await
    }

    /// Removes a database's filestore, whoever made it: for an instance that is deleted. `mark` is
    /// the deleting job's, which names where it is moved first. `false`: there was none.
    ///
    /// # Errors
    /// When it fails.
    pub async fn remove(&self, db: &DbName, mark: &Mark) -> Result<bool> {
        let (folder, aside) = (self.folder(db)?, self.aside(mark)?);
        self.host.access.write(&format!("remove the filestore of {db}"))?;
        let left = self.host.exists(&aside).await?;
        if left {
            self.host.remove_tree(&aside).await?;
        }
        if !self.host.exists(&folder).await? {
            return Ok(left);
        }
        self.host.rename_no_replace(&folder, &aside).await?;
        self.host.remove_tree(&aside).await?;
        Ok(true)
    }
}

fn marker(text: &str) -> Marker<'_> {
    Marker { file: MARK_FILE, text }
}

fn path(folder: &RemotePath, part: &str) -> Result<RemotePath> {
    folder.join(part).map_err(|e| RemoteError::NotConfigured {
        what: format!("the filestore's path can't be made: {e}"),
        hint: "mend data_dir in the server's form (e)",
    })
}
