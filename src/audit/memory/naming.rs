//! Remedies that can be carried out one after another: what one of them removes no other names, and of texts that say the same one stays.

use std::collections::{HashMap, HashSet};

use super::duplicates::Clusters;
use super::remedy::{Finding, Remedy};
use super::rows::Rows;

/// Takes out of each remedy what another one removes already. A domain that could go goes as a whole; otherwise the finding that comes first names a
/// text. A text stays where all others of its cluster would be gone.
pub(super) fn name_once(findings: &mut [Finding], rows: &Rows<'_>, clusters: &Clusters) {
    let remedies = findings.iter().flat_map(|finding| &finding.remedies);
    let domains: HashSet<String> = remedies.filter_map(domain).map(str::to_owned).collect();
    let goes = |row: &usize| domains.contains(&rows.domains[rows.domain(*row)]);
    let mut gone: HashSet<u64> = match domains.is_empty() {
        true => HashSet::new(),
        false => rows.live().filter(goes).map(|row| rows.id(row)).collect(),
    };
    let mut cluster_of = HashMap::new();
    let mut left: Vec<usize> = Vec::with_capacity(clusters.clusters.len());
    for (number, (_, members)) in clusters.clusters.iter().enumerate() {
        left.push(members.iter().filter(|row| !gone.contains(&rows.id(**row))).count());
        cluster_of.extend(members.iter().map(|row| (rows.id(*row), number)));
    }
    let mut named = |id: &u64| {
        let cluster = cluster_of.get(id).copied();
        if gone.contains(id) || cluster.is_some_and(|cluster| left[cluster] < 2) {
            return false;
        }
        cluster.into_iter().for_each(|cluster| left[cluster] -= 1);
        gone.insert(*id)
    };
    for remedy in findings.iter_mut().flat_map(|finding| &mut finding.remedies) {
        if let Remedy::RemoveCaptions { ids } = remedy {
            ids.retain(&mut named);
        }
    }
    let is_empty = |remedy: &Remedy| matches!(remedy, Remedy::RemoveCaptions { ids } if ids.is_empty());
    findings.iter_mut().for_each(|finding| finding.remedies.retain(|remedy| !is_empty(remedy)));
}

/// The domain that a remedy removes.
fn domain(remedy: &Remedy) -> Option<&str> {
    match remedy {
        Remedy::RemoveDomain { domain } => Some(domain),
        _ => None,
    }
}
