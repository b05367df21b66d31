//! The numbers in a block's bits: how large they are expected to be adapts by three medians.

/// Bits, the lowest of each byte first.
pub struct Bits<'a> {
    bytes: &'a [u8],
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, held: 0, count: 0 }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let Some((byte, rest)) = self.bytes.split_first() else { return };
            self.held |= u64::from(*byte) << self.count;
            self.count += 8;
            self.bytes = rest;
        }
    }

    /// The next `count` bits, at most 32.
    pub fn take(&mut self, count: u32) -> Option<u32> {
        self.fill();
        if self.count < count {
            return None;
        }
        let bits = self.held & ((1u64 << count) - 1);
        self.held >>= count;
        self.count -= count;
        Some(bits as u32)
    }

    pub fn bit(&mut self) -> Option<bool> {
        Some(self.take(1)? == 1)
    }

    /// Ones up to the next zero, which is taken, too; `None` for more than `most`.
    fn ones(&mut self, most: u32) -> Option<u32> {
        self.fill();
        let ones = self.held.trailing_ones();
        if ones > most || ones >= self.count {
            return None;
        }
        self.held >>= ones + 1;
        self.count -= ones + 1;
        Some(ones)
    }

    /// A number without a known limit: its length in ones, then its bits but the highest.
    fn open(&mut self) -> Option<u32> {
        let length = self.ones(32)?;
        if length < 2 {
            return Some(length);
        }
        Some(self.take(length - 1)? | 1 << (length - 1))
    }

    /// A number of `0..=most`.
    fn up_to(&mut self, most: u32) -> Option<u32> {
        let length = 32 - most.leading_zeros();
        if length < 2 {
            return self.take(length);
        }
        let extras = (1u64 << length) - u64::from(most) - 1;
        let code = u64::from(self.take(length - 1)?);
        let code = if code >= extras { (code << 1) - extras + u64::from(self.take(1)?) } else { code };
        Some(code as u32)
    }
}

/// 2 to the power of `log` / 256, in whole numbers.
pub fn exp2(log: i32) -> i32 {
    if log < 0 {
        return exp2(log.saturating_neg()).wrapping_neg();
    }
    // The fraction's power of two in 8 bits, as the format's table has it.
    let fraction = (256.0 * (f64::from(log & 255) / 256.0).exp2()).round() as u32 & 255;
    let value = fraction | 256;
    match log >> 8 {
        whole @ 0..=9 => (value >> (9 - whole)) as i32,
        whole => value.checked_shl(whole as u32 - 9).unwrap_or(0) as i32,
    }
}

/// The logarithm of a magnitude to base 2, times 256.
fn log2(value: u32) -> i32 {
    let value = value.wrapping_add(value >> 9);
    let bits = 32 - value.leading_zeros();
    let mantissa = if bits <= 9 { value << (9 - bits) } else { value >> (bits - 9) } & 255;
    (bits << 8) as i32 + (256.0 * (1.0 + f64::from(mantissa) / 256.0).log2()).round() as i32
}

/// Ones that announce a number of open length instead.
const LIMIT: u32 = 16;

/// What is expected of one channel.
#[derive(Debug, Default, Clone, Copy)]
struct Channel {
    medians: [u32; 3],
    /// The size of its samples of late, as a logarithm.
    level: i32,
    /// How far a sample may be off; 0 for not at all.
    error: u32,
}

impl Channel {
    /// The width of the range around a median.
    fn range(&self, at: usize) -> u32 {
        (self.medians[at] >> 4).wrapping_add(1)
    }

    fn raise(&mut self, at: usize) {
        let divisor = 128 >> at;
        self.medians[at] =
            self.medians[at].wrapping_add((self.medians[at].wrapping_add(divisor) / divisor).wrapping_mul(5));
    }

    fn lower(&mut self, at: usize) {
        let divisor = 128 >> at;
        self.medians[at] =
            self.medians[at].wrapping_sub((self.medians[at].wrapping_add(divisor - 2) / divisor).wrapping_mul(2));
    }

    fn forget(&mut self) {
        self.level -= (self.level + 128) >> 8;
    }
}

/// The state of a block's numbers.
#[derive(Debug, Default)]
pub struct Words {
    channels: [Channel; 2],
    is_mono: bool,
    has_bitrate: bool,
    has_balance: bool,
    is_hybrid: bool,
    bitrates: [u32; 2],
    bitrate_steps: [i32; 2],
    zero_held: bool,
    one_held: bool,
    zeros: u32,
}

impl Words {
    pub fn new(header: &super::block::Header) -> Self {
        Self {
            is_mono: header.is_mono(),
            has_bitrate: header.has_bitrate(),
            has_balance: header.has_balance(),
            is_hybrid: header.is_hybrid(),
            ..Self::default()
        }
    }

    fn coded(&self) -> usize {
        if self.is_mono { 1 } else { 2 }
    }

    pub fn set_medians(&mut self, part: &[u8]) -> Option<()> {
        let mut numbers = part.chunks_exact(2).map(|pair| exp2(i32::from(u16::from_le_bytes([pair[0], pair[1]]))));
        let coded = self.coded();
        for channel in &mut self.channels[..coded] {
            for median in &mut channel.medians {
                *median = numbers.next()? as u32;
            }
        }
        Some(())
    }

    pub fn set_hybrid(&mut self, part: &[u8]) -> Option<()> {
        let mut numbers = part.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let coded = self.coded();
        if self.has_bitrate {
            for channel in &mut self.channels[..coded] {
                channel.level = exp2(i32::from(numbers.next()?));
            }
        }
        for bitrate in &mut self.bitrates[..coded] {
            *bitrate = u32::from(numbers.next()?) << 16;
        }
        for step in &mut self.bitrate_steps[..coded] {
            *step = numbers.next().map_or(0, |number| exp2(i32::from(number.cast_signed())));
        }
        Some(())
    }

    /// How far the next samples may be off, by the bitrate and how loud they are.
    fn set_errors(&mut self) {
        for (bitrate, step) in self.bitrates.iter_mut().zip(self.bitrate_steps) {
            *bitrate = bitrate.wrapping_add_signed(step);
        }
        let mut rates = self.bitrates.map(|rate| (rate >> 16) as i32);
        let levels = self.channels.map(|channel| (channel.level + 128) >> 8);
        if self.has_bitrate && self.has_balance && !self.is_mono {
            let balance = (levels[1] - levels[0] + rates[1] + 1) >> 1;
            rates = match balance {
                _ if balance > rates[0] => [0, rates[0] * 2],
                _ if -balance > rates[0] => [rates[0] * 2, 0],
                _ => [rates[0] - balance, rates[0] + balance],
            };
        }
        for ((channel, rate), level) in self.channels.iter_mut().zip(rates).zip(levels) {
            channel.error = match level - rate {
                _ if !self.has_bitrate => exp2(rate) as u32,
                over if over > -256 => exp2(over + 256) as u32,
                _ => 0,
            };
        }
    }

    /// The next number of channel `at`; `None` at the end of the bits and for damage.
    pub fn next(&mut self, bits: &mut Bits<'_>, at: usize) -> Option<i32> {
        let is_quiet = self.channels.iter().all(|channel| channel.medians[0] < 2);
        if is_quiet && !self.zero_held && !self.one_held {
            if self.zeros > 0 {
                self.zeros -= 1;
                if self.zeros > 0 {
                    self.channels[at].forget();
                    return Some(0);
                }
            } else {
                self.zeros = bits.open()?;
                if self.zeros > 0 {
                    self.channels[at].forget();
                    self.channels.iter_mut().for_each(|channel| channel.medians = [0; 3]);
                    return Some(0);
                }
            }
        }
        let above = self.above(bits)?;
        if self.is_hybrid && at == 0 {
            self.set_errors();
        }
        let channel = &mut self.channels[at];
        let (mut low, mut high) = (0u32, 0u32);
        for median in 0..3 {
            let range = channel.range(median);
            if above == median as u32 {
                high = low.wrapping_add(range).wrapping_sub(1);
                channel.lower(median);
                break;
            }
            let steps = if median == 2 { above - 2 } else { 1 };
            low = low.wrapping_add(range.wrapping_mul(steps));
            if median == 2 {
                high = low.wrapping_add(range).wrapping_sub(1);
            }
            channel.raise(median);
        }
        (low, high) = (low & 0x7fff_ffff, high & 0x7fff_ffff);
        high = high.max(low);
        let mut middle = (high + low).wrapping_add(1) >> 1;
        if channel.error == 0 {
            middle = bits.up_to(high - low)? + low;
        } else {
            while high - low > channel.error {
                if bits.bit()? {
                    low = middle;
                } else {
                    high = middle - 1;
                }
                middle = (high + low).wrapping_add(1) >> 1;
            }
        }
        let is_negative = bits.bit()?;
        if self.has_bitrate {
            channel.forget();
            channel.level = channel.level.wrapping_add(log2(middle));
        }
        Some(if is_negative { !(middle as i32) } else { middle as i32 })
    }

    /// How many medians the next number lies above.
    fn above(&mut self, bits: &mut Bits<'_>) -> Option<u32> {
        if self.zero_held {
            self.zero_held = false;
            return Some(0);
        }
        let mut ones = bits.ones(LIMIT)?;
        if ones == LIMIT {
            ones = bits.open()?.checked_add(LIMIT)?;
        }
        let above = (ones >> 1) + u32::from(self.one_held);
        self.one_held = ones & 1 == 1;
        self.zero_held = !self.one_held;
        Some(above)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_those_of_the_format() {
        assert_eq!([0, 1, 255, 256, 2304, 2305, 2560].map(exp2), [0, 0, 0, 1, 256, 257, 512]);
        assert_eq!(exp2(-2304), -256);
        assert_eq!(exp2(i32::MAX), 0);
        assert_eq!([0u32, 1, 2, 256].map(log2), [0, 256, 512, 2304]);
    }

    #[test]
    fn bits_come_lowest_first_and_end() {
        let mut bits = Bits::new(&[0b1011_0111, 0b1]);
        assert_eq!(bits.ones(16), Some(3));
        assert_eq!(bits.take(3), Some(0b011));
        assert_eq!(bits.take(2), Some(0b11));
        assert_eq!(bits.take(8), None);
    }
}
