//! What an audit of a memory says.

use serde::Serialize;

use super::options::Part;
use super::remedy::Finding;
use crate::EmbeddingSpace;
use crate::bridge::Histogram;
use crate::memory::Caption;

/// A memory examined. Parts that were not asked for are `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MemoryAudit {
    /// What was looked at.
    pub examined: Examined,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
    /// Texts that are stored more than once, or nearly.
    pub duplicates: Option<DuplicateAudit>,
    /// Texts that too many queries find, and those that none does.
    pub hubs: Option<HubAudit>,
    /// What domains have in common.
    pub overlap: Option<OverlapAudit>,
    /// Texts far from all others.
    pub outliers: Option<OutlierAudit>,
    /// What is odd about the texts as they are written.
    pub texts: Option<TextAudit>,
    /// What searches through indexes miss.
    pub recall: Option<RecallAudit>,
    /// How texts and sounds lie to each other.
    pub gap: Option<GapAudit>,
}

/// What an audit looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Examined {
    /// The commit of the store.
    pub commit: u64,
    /// The embedding space that the store is bound to.
    pub space: EmbeddingSpace,
    /// The domains, in the order of their creation.
    pub domains: Vec<String>,
    /// Distinct captions.
    pub captions: u64,
    /// Ingested rows that they stand for.
    pub occurrences: u64,
    /// Captions that asked for their neighbours: all, or a sample.
    pub sampled: u64,
    /// Sounds that asked.
    pub sounds: u64,
    /// Neighbours of each.
    pub k: usize,
    /// The cosine from which two texts are near-duplicates.
    pub near: f32,
    /// What the samples were drawn by.
    pub seed: u64,
    /// The parts that were examined.
    pub parts: Vec<Part>,
}

/// Texts that are stored more than once, or nearly.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DuplicateAudit {
    /// How many there are of each kind.
    pub kinds: Vec<DuplicateCount>,
    /// The clusters with most members.
    pub clusters: Vec<Cluster>,
    /// Cosine of each sampled text to the nearest other one.
    pub nearest: Histogram,
}

/// Clusters of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DuplicateCount {
    /// The kind.
    pub kind: ClusterKind,
    /// Clusters.
    pub clusters: u64,
    /// Their texts.
    pub captions: u64,
    /// Texts that could go: all but one of each cluster.
    pub superfluous: u64,
}

/// What the members of a cluster have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClusterKind {
    /// The same text, in several domains.
    Identical,
    /// Texts that differ in case, punctuation or white space alone.
    Trivial,
    /// Texts whose embeddings are nearly the same, each with another of the cluster.
    Near,
}

/// Texts of which one says what all say.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Cluster {
    /// What they have in common.
    pub kind: ClusterKind,
    /// Members in all.
    pub size: u64,
    /// The first of them: the one with the highest multiplicity is the first, and the one to keep.
    pub members: Vec<ClusterMember>,
}

/// A text of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClusterMember {
    /// The text.
    #[serde(flatten)]
    pub text: Caption,
    /// Cosine to the first member.
    pub similarity: f32,
}

/// Which texts queries find, and how evenly.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HubAudit {
    /// Asked with stored texts, each of which is not found by itself.
    pub by_texts: HubCounts,
    /// Asked with sounds, where there are any.
    pub by_sounds: Option<HubCounts>,
}

/// The k-occurrence: in the lists of how many queries each text is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HubCounts {
    /// Queries.
    pub queries: u64,
    /// Mean k-occurrence: what each text would have if all were found equally often.
    pub expected: f64,
    /// Whether there were queries enough, 30 at least, for hubs to mean anything: what one of a few queries finds is found by many of them.
    pub meaningful: bool,
    /// Skewness of the k-occurrence, its third standardised moment: 0 where it is even, above 0 where there are hubs. `None` for too few queries.
    pub skewness: Option<f64>,
    /// Texts more than two standard deviations above the mean.
    pub hubs: u64,
    /// The share of all answers that they take, in 0..1.
    pub hub_share: f64,
    /// The texts that are found most often.
    pub most_found: Vec<Hub>,
    /// How many texts are found how often.
    pub distribution: Histogram,
    /// Texts that no query finds.
    pub orphans: Orphans,
}

/// A text and how often it is found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hub {
    /// The text.
    #[serde(flatten)]
    pub text: Caption,
    /// Queries that find it among their nearest.
    pub found: u64,
    /// The share of all queries, in 0..1.
    pub share: f64,
}

/// Texts that no query finds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Orphans {
    /// How many.
    pub count: u64,
    /// How many there would be if queries found texts by chance.
    pub by_chance: f64,
    /// Whether there were queries enough to say so: at least five answers a text. Otherwise most of them are just not asked for.
    pub meaningful: bool,
    /// The first of them, by their ids.
    pub texts: Vec<Caption>,
}

/// What domains have in common, each with each: rows ask, columns answer, both in the order of `domains`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OverlapAudit {
    /// The domains: the largest, where there are many.
    pub domains: Vec<String>,
    /// Smaller domains that are left out.
    pub left_out: u64,
    /// Texts of each that asked.
    pub sampled: Vec<u64>,
    /// The share of the texts of one domain that have a near-duplicate in the other, in 0..1; `None` where none asked. In a domain itself:
    /// that have another one.
    pub near: Vec<Vec<Option<f64>>>,
    /// Mean cosine to the nearest text of the other domain.
    pub nearest: Vec<Vec<Option<f64>>>,
    /// Texts that are the same in both, letter by letter; in a domain itself its captions.
    pub same: Vec<Vec<u64>>,
    /// Cosine of the centroids.
    pub centroids: Vec<Vec<f64>>,
}

/// Texts far from all others.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OutlierAudit {
    /// By the cosine to the k-th nearest text, or to the last where there are fewer.
    pub by_neighbour: OutlierMeasure,
    /// By the cosine to the centroid of the text's own domain.
    pub by_centroid: OutlierMeasure,
}

/// A measure of how far texts lie.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OutlierMeasure {
    /// The cosines.
    pub distribution: Histogram,
    /// Texts that are farther away than the outer fence: three interquartile ranges below the first quartile (of the text's own domain,
    /// where it is about centroids).
    pub outliers: u64,
    /// The farthest, the farthest first.
    pub farthest: Vec<Outlier>,
}

/// A text and how far it lies.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Outlier {
    /// The text.
    #[serde(flatten)]
    pub text: Caption,
    /// The cosine.
    pub similarity: f32,
    /// Whether it lies beyond the fence.
    pub beyond: bool,
}

/// The texts as they are written.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TextAudit {
    /// Words of a text.
    pub words: Histogram,
    /// Characters of a text.
    pub characters: Histogram,
    /// Languages of each domain, of the texts long enough to tell; the most frequent first.
    pub languages: Vec<LanguageCount>,
    /// What is odd, by kind; those that there are none of are left out.
    pub anomalies: Vec<Anomaly>,
}

/// Texts of one language in one domain.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LanguageCount {
    /// The domain.
    pub domain: String,
    /// The language, as ISO 639-3 has it.
    pub language: String,
    /// Texts.
    pub captions: u64,
}

/// Texts that are odd in one way.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Anomaly {
    /// The way.
    pub kind: AnomalyKind,
    /// Texts in all.
    pub count: u64,
    /// The first of them.
    pub texts: Vec<Suspect>,
}

/// A text that is odd.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Suspect {
    /// The text.
    #[serde(flatten)]
    pub text: Caption,
    /// What is odd about it: the language, the character, the part of the text.
    pub evidence: String,
}

/// A way in which a text is odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AnomalyKind {
    /// It holds characters that cannot be seen, such as spaces without width or marks of direction.
    InvisibleCharacters,
    /// Its letters were decoded wrongly, such as `Ã©` for `é`.
    Mojibake,
    /// It holds tags, such as `<br>`.
    Markup,
    /// It holds HTML entities, such as `&amp;`.
    Entities,
    /// It holds a web address.
    WebAddress,
    /// It looks like the name of a file.
    FileName,
    /// It is in another language than most of its domain.
    OtherLanguage,
    /// It is in capitals.
    Capitals,
    /// It is a single word, or none.
    OneWord,
    /// It is far longer than others of its domain.
    Long,
}

/// What searches through indexes miss.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecallAudit {
    /// Neighbours that were compared.
    pub k: usize,
    /// The segments, in the order of the store.
    pub segments: Vec<SegmentRecall>,
}

/// A segment, and what a search of it finds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SegmentRecall {
    /// The number of the segment.
    pub segment: u64,
    /// Its domain.
    pub domain: String,
    /// Its captions.
    pub captions: u64,
    /// Whether it has an index; without one it is scanned, and nothing is missed.
    pub indexed: bool,
    /// Asked with texts; `None` where there is no index.
    pub by_texts: Option<RecallPoint>,
    /// Asked with sounds; `None` where there is no index, or no sound.
    pub by_sounds: Option<RecallPoint>,
}

/// The approximate search beside the exact one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecallPoint {
    /// Queries.
    pub queries: u64,
    /// The share of the true neighbours that were found, in 0..1.
    pub recall: f64,
    /// The lowest share of a single query.
    pub worst: f64,
}

/// What searches of the whole memory find with ever more effort, and how long they take.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecallCurve {
    /// Neighbours that were compared.
    pub k: usize,
    /// Asked with texts, from little effort to comparing with all.
    pub by_texts: Vec<CurvePoint>,
    /// Asked with sounds, where there are any.
    pub by_sounds: Option<Vec<CurvePoint>>,
}

/// Searches with one effort.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CurvePoint {
    /// The length of the candidate queue; `None` where every vector is compared with.
    pub ef: Option<usize>,
    /// Queries.
    pub queries: u64,
    /// The share of the true neighbours that were found, in 0..1.
    pub recall: f64,
    /// Median of the microseconds that a query takes on one thread.
    pub median_us: f64,
}

/// How texts and sounds lie to each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GapAudit {
    /// The texts.
    pub texts: CloudAudit,
    /// The sounds, where there are any.
    pub sounds: Option<CloudAudit>,
    /// The modality gap: the distance of the mean of the sounds from the mean of the texts.
    pub distance: Option<f64>,
    /// Mean cosine of a sound and a text, of all pairs.
    pub across: Option<f64>,
    /// Cosines of sounds and texts, drawn by chance.
    pub across_cosines: Option<Histogram>,
    /// Cosine of each sound to the text that is nearest to it.
    pub nearest_cosines: Option<Histogram>,
    /// The sounds that are farthest from all texts, the farthest first.
    pub farthest: Vec<Unmatched>,
}

/// Vectors of one modality.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CloudAudit {
    /// How many.
    pub count: u64,
    /// Length of their mean, in 0..1: 1 where all point the same way.
    pub mean_length: f64,
    /// Mean cosine of two of them, of all pairs; `None` where there is but one.
    pub within: Option<f64>,
    /// Cosines of pairs, drawn by chance.
    pub cosines: Histogram,
}

/// A sound and the text nearest to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Unmatched {
    /// What the sound is called.
    pub sound: String,
    /// Its place among the sounds, from 0.
    pub row: usize,
    /// The cosine.
    pub similarity: f32,
    /// The text.
    pub nearest: Caption,
    /// Whether it lies beyond the outer fence of all sounds.
    pub beyond: bool,
}
