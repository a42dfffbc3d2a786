//! The flags of a directory whose files are served. Checks each value alone.

use std::path::PathBuf;

use super::choices::Switch;
use super::merge::PlanFault;
use crate::app::configured::FilesSpec;

/// What is served of a directory, and how.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Files")]
pub(super) struct FilesArgs {
    /// Serve the files of this directory
    ///
    /// In place of the demonstration, and beside the routes of a configuration file, which go
    /// first. Nothing outside it and no hidden file is served; index.html answers for a
    /// directory.
    #[arg(verbatim_doc_comment)]
    #[arg(long, env = "CORELANE_ROOT", value_name = "DIR")]
    pub(super) root: Option<PathBuf>,

    /// What answers where there is no file, such as index.html
    ///
    /// A file beneath --root, answered with 200: for programs of one page.
    #[arg(long, env = "CORELANE_FALLBACK", value_name = "FILE")]
    pub(super) fallback: Option<String>,

    /// Whether a directory without index.html is listed
    ///
    /// As a page, or as JSON where Accept names that.
    #[arg(long, env = "CORELANE_LISTING", value_name = "on|off", default_value = "off")]
    pub(super) listing: Switch,

    /// Whether app.js.br, .zst or .gz answer for app.js
    ///
    /// Where the client takes them, and unless they are older than the file itself.
    #[arg(long, env = "CORELANE_PRECOMPRESSED", value_name = "on|off", default_value = "off")]
    pub(super) precompressed: Switch,
}

impl FilesArgs {
    /// The files of `--root`, if there is one.
    ///
    /// # Errors
    /// A flag of it that is given alone.
    pub(super) fn spec(&self) -> Result<Option<FilesSpec>, PlanFault> {
        let (listing, precompressed) =
            (self.listing == Switch::On, self.precompressed == Switch::On);
        let fallback = self.fallback.clone();
        if let Some(root) = &self.root {
            let spec = FilesSpec::at(root.clone());
            return Ok(Some(FilesSpec { fallback, listing, precompressed, ..spec }));
        }
        let given = [
            ("fallback", fallback.is_some()),
            ("listing", listing),
            ("precompressed", precompressed),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            None => Ok(None),
            Some((name, _)) => Err(PlanFault {
                name: name.to_owned(),
                value: None,
                reason: ": there is no `--root` whose files it is about".to_owned(),
                hint: "in a `[[route]]` with `files` it is a key of that route".to_owned(),
            }),
        }
    }
}
