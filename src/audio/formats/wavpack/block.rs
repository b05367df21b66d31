//! A WavPack block: its header, and the parts behind it (WavPack 4 and 5 file format).

/// Bytes of a block's header.
pub const HEADER: usize = 32;

/// The most bytes of a block: what the format allows.
pub const MOST_BYTES: usize = 1 << 20;

/// The most frames of a block: what the format allows.
pub const MOST_FRAMES: u32 = 131_072;

/// Sample rates by the header's index, in Hz.
const RATES: [u32; 15] = [
    6_000, 8_000, 9_600, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000,
    192_000,
];

/// The header of a block.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// Bytes of the parts behind the header.
    pub size: usize,
    /// Frames of the whole file, where they are known.
    pub total: Option<u64>,
    /// The number of the block's first frame.
    pub index: u64,
    pub frames: u32,
    flags: u32,
    /// A checksum of the decoded samples.
    pub crc: u32,
}

impl Header {
    /// `None` where no block begins, or one that cannot be.
    pub fn parse(bytes: &[u8; HEADER]) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        let size = (word(4) as usize).checked_sub(HEADER - 8)?;
        let frames = word(20);
        let fits = size <= MOST_BYTES && frames <= MOST_FRAMES && (0x402..=0x410).contains(&version);
        let (total, index) = (u64::from(word(12)), u64::from(word(16)));
        let total = (total != u64::from(u32::MAX)).then(|| (u64::from(bytes[11]) << 32).wrapping_add(total));
        (bytes.starts_with(b"wvpk") && fits).then_some(Self {
            size,
            total,
            index: (u64::from(bytes[10]) << 32) + index,
            frames,
            flags: word(24),
            crc: word(28),
        })
    }

    fn has(&self, bit: u32) -> bool {
        self.flags >> bit & 1 == 1
    }

    /// Bytes of a sample.
    pub fn width(&self) -> u32 {
        (self.flags & 3) + 1
    }

    /// Whether one channel is coded.
    pub fn is_mono(&self) -> bool {
        self.has(2) || self.has(30)
    }

    /// Channels that the block gives; of two that are equal, one is coded.
    pub fn channels(&self) -> usize {
        if self.has(2) { 1 } else { 2 }
    }

    pub fn is_hybrid(&self) -> bool {
        self.has(3)
    }

    pub fn is_joint(&self) -> bool {
        self.has(4)
    }

    pub fn is_float(&self) -> bool {
        self.has(7)
    }

    pub fn is_wide(&self) -> bool {
        self.has(8)
    }

    pub fn has_bitrate(&self) -> bool {
        self.has(9)
    }

    pub fn has_balance(&self) -> bool {
        self.has(10)
    }

    pub fn is_first(&self) -> bool {
        self.has(11)
    }

    pub fn is_last(&self) -> bool {
        self.has(12)
    }

    /// Low bits that no sample uses.
    pub fn shift(&self) -> u32 {
        self.flags >> 13 & 0x1f
    }

    pub fn is_dsd(&self) -> bool {
        self.has(31)
    }

    /// In Hz; `None` where one of the parts says it.
    pub fn rate(&self) -> Option<u32> {
        RATES.get((self.flags >> 23 & 15) as usize).copied()
    }
}

/// What a part of a block holds.
pub const TERMS: u8 = 0x02;
pub const WEIGHTS: u8 = 0x03;
pub const SAMPLES: u8 = 0x04;
pub const MEDIANS: u8 = 0x05;
pub const HYBRID: u8 = 0x06;
pub const FLOAT: u8 = 0x08;
pub const INT32: u8 = 0x09;
pub const WORDS: u8 = 0x0a;
pub const LOW_BITS: u8 = 0x0c;
pub const CHANNELS: u8 = 0x0d;
pub const RATE: u8 = 0x27;
pub const NEW_LOW_BITS: u8 = 0x2c;

/// The parts of a block: what each holds, and its bytes. Ends at the first that does not fit.
pub fn parts(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (id, rest) = bytes.split_first()?;
        let (words, rest) = if id & 0x80 == 0 {
            let (words, rest) = rest.split_first()?;
            (usize::from(*words), rest)
        } else {
            let ([a, b, c], rest) = rest.split_first_chunk()?;
            (usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16, rest)
        };
        let (body, rest) = rest.split_at_checked(words * 2)?;
        bytes = rest;
        let is_odd = usize::from(id & 0x40 != 0);
        Some((id & 0x3f, body.get(..body.len().checked_sub(is_odd)?)?))
    })
}

/// What is told about the channels of the file: how many, and their places as in wav files.
pub fn channels(part: &[u8]) -> Option<(u32, u32)> {
    let mask = |bytes: &[u8]| bytes.iter().rev().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
    match part {
        [count, places @ ..] if places.len() <= 4 => Some((u32::from(*count), mask(places))),
        // More than 255 channels, of which four bits lie elsewhere.
        [count, _, high, places @ ..] => {
            Some(((u32::from(*count) | u32::from(high & 15) << 8) + 1, mask(&places[..3])))
        }
        _ => None,
    }
}
