//! The commands that mend what an audit found.

use std::path::Path;

use echoic::audit::memory::{Finding, MemoryAudit, RecallCurve, Remedy};
use serde_json::Value;

use super::queries::is_embeddings;
use crate::cli::advice::quoted;
use crate::cli::context::Context;

/// What commands depend on.
pub struct Mending<'a> {
    pub context: &'a Context,
    /// The sounds that asked.
    pub queries: Option<&'a Path>,
}

impl Mending<'_> {
    /// The command line that does what is advised. Capitals stand for what only the user knows.
    pub fn command(&self, remedy: &Remedy) -> String {
        let store = &self.context.global.store;
        let program = match self.context.global.store_is_named {
            true => format!("echoic --store {}", quoted(&store.display().to_string())),
            false => "echoic".to_owned(),
        };
        let action = match remedy {
            Remedy::RemoveCaptions { ids } => {
                let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
                format!("captions remove {}", ids.join(" "))
            }
            Remedy::RemoveDomain { domain } => format!("domains remove {}", quoted(domain)),
            Remedy::IngestAnew { domain } => format!("ingest FILE --domain {} --replace-clips", quoted(domain)),
            Remedy::IngestMore => "ingest FILE --domain NAME".into(),
            // It builds the indexes that are missing, too.
            Remedy::Compact | Remedy::BuildIndexes => "compact".into(),
            Remedy::SearchHarder { recall } => format!("caption {} --recall {recall}", self.sounds()),
            _ => return String::new(),
        };
        format!("{program} {action}")
    }

    /// The sounds, as `caption` takes them.
    fn sounds(&self) -> String {
        match self.queries {
            Some(place) if is_embeddings(place) => format!("--embedding {}", quoted(&place.display().to_string())),
            Some(place) if place.extension().is_none_or(|end| end != "csv") => quoted(&place.display().to_string()),
            _ => "AUDIO".into(),
        }
    }

    /// For each finding, the commands that mend it.
    pub fn commands(&self, audit: &MemoryAudit) -> Vec<Vec<String>> {
        let each = |finding: &Finding| finding.remedies.iter().map(|remedy| self.command(remedy)).collect();
        audit.findings.iter().map(each).collect()
    }

    /// The report for programs: each finding with its commands, and the curve where one was measured.
    pub fn document(&self, audit: &MemoryAudit, curve: Option<&RecallCurve>) -> serde_json::Result<Value> {
        // Through text: a value of its own would widen numbers of 32 bits, and give them digits that they do not have.
        let mut document: Value = serde_json::from_str(&serde_json::to_string(audit)?)?;
        if let Some(curve) = curve {
            document["recall_curve"] = serde_json::to_value(curve)?;
        }
        let told = document["findings"].as_array_mut().into_iter().flatten();
        for (told, commands) in told.zip(self.commands(audit)) {
            told["commands"] = commands.into();
        }
        Ok(document)
    }
}
