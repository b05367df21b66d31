"""Sound operations on mono float arrays: reading, resampling, looping, mixing and the usual disturbances."""
import numpy as np
import soundfile as sf

RATE = 32000


def read(path, start=0.0, seconds=None):
    """Reads (a part of) a file as mono at RATE."""
    info = sf.info(path)
    first = int(start * info.samplerate)
    frames = -1 if seconds is None else int(seconds * info.samplerate)
    x, rate = sf.read(path, start=first, frames=frames, dtype="float32", always_2d=True)
    return resample(x.mean(axis=1), rate)


def resample(x, rate, target=RATE):
    """Band-limited resampling by cutting or padding the spectrum."""
    if rate == target or len(x) < 2:
        return x
    pad = np.pad(x, (0, (-len(x)) % 1000 + 1000))  # lengths that the FFT likes, and silence against wrap-around
    n = int(round(len(pad) * target / rate))
    spectrum = np.fft.rfft(pad)
    out = np.zeros(n // 2 + 1, dtype=spectrum.dtype)
    k = min(len(out), len(spectrum))
    out[:k] = spectrum[:k]
    y = np.fft.irfft(out, n) * (n / len(pad))
    return y[: int(round(len(x) * target / rate))].astype(np.float32)


def rms(x):
    """Level of the louder parts, so that pauses do not count."""
    e = np.sqrt(np.add.reduceat(x * x, np.arange(0, len(x), 800)) / 800 + 1e-12)
    return float(np.quantile(e, 0.8)) + 1e-6


def trim(x):
    """Cuts silence at both ends."""
    if not len(x):
        return x
    loud = np.flatnonzero(np.abs(x) > 0.01 * (np.abs(x).max() + 1e-9))
    return x[loud[0]: loud[-1] + 1] if len(loud) else x


def fill(x, n, rng):
    """A stretch of n samples: cut at random, or repeated with short cross-fades."""
    if len(x) >= n:
        at = rng.integers(0, len(x) - n + 1)
        return x[at: at + n]
    fade = min(len(x) // 4, RATE // 10)
    out, ramp = x.copy(), np.linspace(0, 1, fade, dtype=np.float32)
    while len(out) < n:
        if fade:
            out[-fade:] = out[-fade:] * (1 - ramp) + x[:fade] * ramp
        out = np.concatenate([out, x[fade:]])
    return out[:n]


def place(x, n, rng):
    """Puts a shorter sound somewhere into n samples, several times when it is short."""
    if len(x) >= n:
        return fill(x, n, rng)
    out = np.zeros(n, dtype=np.float32)
    times = 1 if len(x) > n // 2 else int(rng.integers(1, min(5, n // len(x)) + 1))
    for k in range(times):
        lo, hi = n * k // times, n * (k + 1) // times - len(x)
        at = int(rng.integers(lo, max(lo, hi) + 1))
        part = x[: n - at]
        out[at: at + len(part)] += part
    return out


def filtered(x, gain):
    """Multiplies the spectrum by gain(frequencies)."""
    n = len(x) + (-len(x)) % 1000
    spectrum = np.fft.rfft(x, n)
    return np.fft.irfft(spectrum * gain(np.fft.rfftfreq(n, 1 / RATE)), n)[: len(x)].astype(np.float32)


def low_pass(x, cut):
    return filtered(x, lambda f: 1 / np.sqrt(1 + (f / cut) ** 16))


def band_pass(x, lo, hi):
    return filtered(x, lambda f: 1 / np.sqrt((1 + (f / hi) ** 12) * (1 + (lo / (f + 1)) ** 8)))


def excite(x, cut):
    """Invents the upper band of a narrow recording: overtones of what is there, above `cut`."""
    top = filtered(np.abs(x) - np.abs(x).mean(), lambda f: np.where(f > cut, 1.0, 0.0))
    return x + top


def tilt(x, rng):
    """A smooth random equaliser of up to 8 dB."""
    points = rng.uniform(-8, 8, 6)
    return filtered(x, lambda f: 10 ** (np.interp(np.log2(f + 50), np.linspace(5.6, 14, 6), points) / 20))


def reverb(x, rng):
    """A room: noise that decays over 0.15 to 0.9 seconds."""
    decay = rng.uniform(0.15, 0.9)
    n = int(decay * RATE)
    tail = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    size = len(x) + n
    wet = np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(tail, size), size)[: len(x)].astype(np.float32)
    return x + wet * (rms(x) / rms(wet)) * rng.uniform(0.1, 0.7)


def noise(n, rng):
    """Background hiss or rumble with a random spectral slope."""
    slope = rng.uniform(0, 2)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    f = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 30)
    return np.fft.irfft(spectrum * f ** (-slope / 2), n).astype(np.float32)


def speed(x, factor):
    return resample(x, RATE * factor)


def disturb(x, rng):
    """Random recording conditions: speed, equaliser, room, bandwidth, noise."""
    if rng.random() < 0.4:
        x = speed(x, rng.uniform(0.88, 1.14))
    if rng.random() < 0.4:
        x = tilt(x, rng)
    if rng.random() < 0.35:
        x = reverb(x, rng)
    if rng.random() < 0.5:
        x = x + scaled_noise(x, rng)
    chance = rng.random()
    if chance < 0.25:
        x = low_pass(x, rng.uniform(3000, 11000))
    elif chance < 0.5:
        x = excite(x, 7000)
    return x


def scaled_noise(x, rng):
    hiss = noise(len(x), rng)
    return hiss * (rms(x) / rms(hiss)) * 10 ** (-rng.uniform(12, 40) / 20)


def write(path, x):
    peak = np.abs(x).max()
    sf.write(path, x * (0.9 / peak if peak > 0 else 1), RATE, subtype="PCM_16")
