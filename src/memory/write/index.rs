//! Putting graphs beside the segments that are large enough for one.

use std::sync::Arc;

use super::writer::Writer;
use crate::memory::format::layout;
use crate::memory::format::storage::write_durably;
use crate::memory::nearest::graph::{Graph, Parts};
use crate::memory::nearest::graph_build;
use crate::memory::read::planner;
use crate::memory::read::segment::Segment;
use crate::memory::read::snapshot::Snapshot;
use crate::progress::Control;
use crate::quiet::quietly;
use crate::{Error, Result};

impl Writer {
    /// Builds the graph of every segment that is large enough for one and has none, or a damaged one; returns the number built.
    /// Snapshots taken afterwards use them. Stopping keeps the graphs that are finished. With one rayon thread the same vectors make
    /// the same graph; with more, links depend on the order in which threads insert.
    ///
    /// # Errors
    /// [`Error::Interrupted`], or [`Error::Io`] when a graph cannot be written. The store is as good as before.
    pub fn index(&mut self, control: &Control<'_>) -> Result<usize> {
        self.index_above(planner::GRAPH_ROWS, control)
    }

    /// [`Writer::index`] for segments of at least `rows` rows.
    pub(crate) fn index_above(&mut self, rows: usize, control: &Control<'_>) -> Result<usize> {
        self.check_poison()?;
        let wanting = |segment: &&Arc<Segment>| segment.rows() >= rows.max(1) && !segment.graph().is_some_and(is_sound);
        let wanting = self.memory.0.segments.iter().filter(wanting).map(Arc::clone).collect();
        self.build_graphs(wanting, control)
    }

    /// Builds the graphs of these segments again.
    pub(crate) fn rebuild_graphs(&mut self, ids: &[u64], control: &Control<'_>) -> Result<usize> {
        self.check_poison()?;
        let named = self.memory.0.segments.iter().filter(|segment| ids.contains(&segment.entry.id));
        let named = named.map(Arc::clone).collect();
        self.build_graphs(named, control)
    }

    fn build_graphs(&mut self, of: Vec<Arc<Segment>>, control: &Control<'_>) -> Result<usize> {
        let mut built = Vec::new();
        let result = of.iter().try_for_each(|segment| {
            self.build_graph(segment, control)?;
            built.push(segment.entry.id);
            Ok(())
        });
        if !built.is_empty() {
            // Opened anew, the segments find their graphs; snapshots taken before go on as they were.
            let known = self.memory.0.segments.iter().filter(|segment| !built.contains(&segment.entry.id));
            let known: Vec<_> = known.map(Arc::clone).collect();
            self.memory = Snapshot::assemble(&self.dir(), self.memory.0.manifest.clone(), &known)?;
        }
        result.map(|()| built.len())
    }

    fn build_graph(&self, segment: &Segment, control: &Control<'_>) -> Result<()> {
        let build = || graph_build::build(segment.vectors.as_slice(), self.space().dim, control);
        // hnsw_rs asserts where it is surprised.
        let built =
            quietly(build).map_err(|reason| Error::Internal(format!("building the graph failed: {reason}")))??;
        let path = layout::graph(self.memory.dir(), segment.entry.id);
        let new = path.with_extension("graph.new");
        let parts = Parts { graph: &built.graph, codes: &built.codes, calibration: &built.calibration };
        write_durably(&new, &[&parts.encode(segment.vectors.data_crc())?], &*self.storage)?;
        self.storage.rename(&new, &path).map_err(Error::io("replace", &path))
    }
}

/// Reads the whole graph, because a search reads only what it walks over.
fn is_sound(graph: &Graph) -> bool {
    let verified = graph.verify();
    if let Err(error) = &verified {
        tracing::warn!("{error}; the graph is built again");
    }
    verified.is_ok()
}
