//! A safe face for the reference decoder of Opus, which `unsafe-libopus` brings as Rust, translated from C function by function.

#![allow(unsafe_code, reason = "the decoder's interface is that of a C library")]

use std::ptr::NonNull;

use unsafe_libopus::{
    OpusMSDecoder, opus_multistream_decode_float, opus_multistream_decoder_create, opus_multistream_decoder_destroy,
};

/// Samples a second of what is decoded, in Hz, whatever the encoder was given.
pub const RATE: u32 = 48_000;

/// The most frames that a packet can hold: 120 ms.
pub const MAX_FRAMES: usize = 5_760;

/// A decoder of one or more Opus streams that share packets.
pub struct Libopus {
    state: NonNull<OpusMSDecoder>,
    channels: usize,
}

// SAFETY: the state belongs to this value alone, holds no thread's data, and is reached only through `&mut self`.
unsafe impl Send for Libopus {}
// SAFETY: as above; no method takes `&self`.
unsafe impl Sync for Libopus {}

impl Libopus {
    /// A decoder of `streams` streams, the first `coupled` of them stereo; each output channel takes the decoded one that `mapping`
    /// names, or silence for 255. `None` for a layout that cannot be.
    pub fn new(streams: u8, coupled: u8, mapping: &[u8]) -> Option<Self> {
        let channels = u8::try_from(mapping.len()).ok().filter(|channels| *channels > 0)?;
        let mut error = 0;
        // SAFETY: `mapping` holds `channels` bytes, which are copied; the layout is checked before anything is made.
        let state = unsafe {
            opus_multistream_decoder_create(
                RATE as i32,
                i32::from(channels),
                i32::from(streams),
                i32::from(coupled),
                mapping.as_ptr(),
                &mut error,
            )
        };
        Some(Self { state: NonNull::new(state).filter(|_| error == 0)?, channels: usize::from(channels) })
    }

    /// Decodes a packet into `samples`, interleaved, and returns the number of frames; `None` for a damaged packet.
    ///
    /// `samples` must have room for [`MAX_FRAMES`] of every channel.
    pub fn decode(&mut self, packet: &[u8], samples: &mut [f32]) -> Option<usize> {
        assert!(samples.len() >= MAX_FRAMES * self.channels, "room for the longest packet");
        // Without data the decoder would make up what a lost packet may have held.
        let len = i32::try_from(packet.len()).ok().filter(|len| *len > 0)?;
        // SAFETY: the state is alive until `drop`, `packet` holds `len` bytes, and `samples` has room for as many frames as are told.
        let frames = unsafe {
            opus_multistream_decode_float(
                self.state.as_ptr(),
                packet.as_ptr(),
                len,
                samples.as_mut_ptr(),
                MAX_FRAMES as i32,
                0,
            )
        };
        usize::try_from(frames).ok()
    }
}

impl Drop for Libopus {
    fn drop(&mut self) {
        // SAFETY: the state came from `opus_multistream_decoder_create`, and nothing uses it afterwards.
        unsafe { opus_multistream_decoder_destroy(self.state.as_ptr()) }
    }
}
