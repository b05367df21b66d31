//! A graph as a walk sees it.

/// What a walk needs to know of a graph; the builder walks its graph before it is a file.
pub(crate) trait Links {
    /// Rows of the segment.
    fn rows(&self) -> usize;
    /// Where to begin.
    fn entry(&self) -> u32;
    /// Levels above level 0.
    fn levels(&self) -> usize;
    /// Neighbours on level 0.
    fn base(&self, row: u32) -> &[u32];
    /// Neighbours on a level above 0.
    fn upper(&self, level: usize, row: u32) -> &[u32];
    /// The rows that have the same vector as `row` and stand behind it in the graph.
    fn duplicates(&self, row: u32) -> impl Iterator<Item = u32>;
    /// False when the codes of this row are known to be damaged; they are then passed over.
    fn is_sound(&self, _row: u32) -> bool {
        true
    }
    /// Asks for the neighbours of a row ahead of their use.
    fn prefetch(&self, _row: u32) {}
}
