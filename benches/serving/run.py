#!/usr/bin/env python3
"""How long a warm server takes: texts by words, and captions of ten seconds of sound.

    cargo build --release
    benches/serving/run.py STORE [--program target/release/echoic] [--searches 300] [--captions 60]

The store is one of the starter, with a decoder. Times are those of a client on one connection: request sent to answer read.
"""

import argparse
import http.client
import json
import math
import random
import struct
import subprocess
import time

RATE = 44_100
WORDS = ["rain", "a dog barks", "birds sing in a forest", "an engine idles", "people talk in a hall", "water runs into a sink"]


def wav(seconds, seed):
    """A tone that rises under noise, as 16-bit mono."""
    draw = random.Random(seed)
    samples = bytearray()
    for i in range(int(seconds * RATE)):
        t = i / RATE
        value = 0.3 * draw.uniform(-1, 1) + 0.3 * math.sin(2 * math.pi * (200 * t + 90 * t * t))
        samples += struct.pack("<h", int(value * 32_000))
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16, b"data", len(samples))
    return head + bytes(samples)


def timed(connection, path, body, kind):
    begun = time.perf_counter()
    connection.request("POST", path, body, {"Content-Type": kind})
    answer = connection.getresponse()
    text = answer.read()
    took = (time.perf_counter() - begun) * 1e3
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status} {text.decode()}")
    return took


def told(what, times, most):
    times = sorted(times)
    p50, p99 = times[len(times) // 2], times[min(len(times) - 1, math.ceil(len(times) * 0.99) - 1)]
    print(f"{what}: p50 {p50:.1f} ms, p99 {p99:.1f} ms of {len(times)} (at most {most} ms wanted)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store")
    parser.add_argument("--program", default="target/release/echoic")
    parser.add_argument("--searches", type=int, default=300)
    parser.add_argument("--captions", type=int, default=60)
    given = parser.parse_args()
    sounds = [wav(10, seed) for seed in range(4)]
    command = [given.program, "--json", "--quiet", "--store", given.store, "serve", "--bind", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = json.loads(server.stdout.readline())["address"]
            connection = http.client.HTTPConnection(address, timeout=60)
            asked = [json.dumps({"text": f"{words} {i}"}) for i in range(given.searches) for words in [WORDS[i % len(WORDS)]]]
            for body in asked[:10]:
                timed(connection, "/api/search", body, "application/json")
            told("search by words", [timed(connection, "/api/search", body, "application/json") for body in asked], 15)
            for sound in sounds[:3]:
                timed(connection, "/api/caption", sound, "audio/wav")
            captions = [timed(connection, "/api/caption", sounds[i % len(sounds)], "audio/wav") for i in range(given.captions)]
            told("caption of 10 s", captions, 150)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
