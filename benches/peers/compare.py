"""Asks every contestant the same questions in turns and writes the table; `run.py` calls it."""
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is imported
import numpy as np  # noqa: E402
import psutil  # noqa: E402

from contestants import CONTESTANTS  # noqa: E402

# A peer's walk grows with a number of candidates, Echoic's with the recall it is asked for (which its calibration translates).
EFS = [10, 16, 24, 32, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 448, 512, 640, 768, 1024]
ASKED = [0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.97, 0.98, 0.985, 0.99, 0.993, 0.995, 0.997, 0.998, 0.999]
TARGETS = (0.95, 0.99)
K = 10
RECALLS = (0.8, 0.9, 0.95, 0.99)  # that Echoic's calibrated walk is asked for
SLOW = {"lancedb": 100, "qdrant-local": 10, "faiss-flat": 100}  # queries they are asked a round
UNFIT_ABOVE = {"qdrant-local": 20_000}  # as its documentation says; 35,000 took longer than 150 s to build


class Contestant:
    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, op, **question):
        self.confine(question.get("threads", 1))
        self.process.stdin.write(json.dumps({"op": op, **question}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended at {op}")
        return json.loads(line)

    def confine(self, threads):
        """To as many processors, because some peers take all that they see whatever they are told."""
        if hasattr(os, "sched_setaffinity"):
            processors = sorted(os.sched_getaffinity(0))[-threads:]
            for task in os.listdir(f"/proc/{self.process.pid}/task"):
                os.sched_setaffinity(int(task), processors)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def settings_of(name):
    return [{"recall": asked} for asked in ASKED] if name == "echoic" else [{"ef": ef} for ef in EFS]


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def truth(vectors, queries):
    best = np.empty((len(queries), K), dtype=np.int64)
    for at in range(0, len(queries), 50):
        similarity = queries[at:at + 50] @ vectors.T
        best[at:at + 50] = np.argpartition(-similarity, K, axis=1)[:, :K]
    return best


def recall(rows, best):
    return float(np.mean([len(set(found) & set(true)) / K for found, true in zip(rows, best.tolist())]))


def between(recalls, figures, target):
    """The figure at the target, where its logarithm is taken to be linear in that of the share of neighbours missed."""
    if len(figures) == 1:
        return figures[0]
    missed = [math.log(max(1 - reached, 1e-5)) for reached in (*recalls, target)]
    share = (missed[2] - missed[0]) / (missed[1] - missed[0])
    return math.exp((1 - share) * math.log(figures[0]) + share * math.log(figures[1]))


class Race:
    """Every contestant answers the same queries; walks are compared at exactly the same recall, between two settings of each."""

    def __init__(self, vectors, binary, rounds, build_limit, only):
        self.vectors_path, self.binary, self.rounds, self.build_limit = vectors, binary, rounds, build_limit
        self.vectors = np.load(vectors, mmap_mode="r")
        self.work = Path.cwd() / f"stores-{len(self.vectors)}"
        self.work.mkdir(exist_ok=True)
        self.queries = {kind: Path.cwd() / f"{kind}-queries.npy" for kind in ("audio", "text")}
        self.truth = {kind: truth(self.vectors, np.load(path)) for kind, path in self.queries.items()}
        names = only.split(",") if only else list(CONTESTANTS)
        unfit = [name for name in names if len(self.vectors) > UNFIT_ABOVE.get(name, 1 << 60)]
        self.names = ["echoic"] + [name for name in names if name not in unfit]
        self.result = {"rows": len(self.vectors), "dim": self.vectors.shape[1], "contestants": {}}
        self.result["left_out"] = {name: f"not made for more than {UNFIT_ABOVE[name]:,} rows" for name in unfit}
        self.reached = {}  # by contestant, kind and setting: every recall asked for passes the same first settings

    def start(self, name):
        here = Path(__file__).resolve().parent
        command = [self.binary, "serve"]
        if name != "echoic":
            command = [sys.executable, here / "contestants.py", name, self.vectors_path, self.work / name]
        return Contestant(name, [str(part) for part in command])

    def ask(self, contestant, op, **question):
        return contestant(op, store=str(self.work / contestant.name), vectors=str(self.vectors_path), **question)

    def build(self):
        """What an earlier run has built of the same vectors is kept, with what it took."""
        for name in list(self.names):
            noted = self.work / f"{name}.json"
            if not noted.exists():
                shutil.rmtree(self.work / name, ignore_errors=True)
                try:
                    noted.write_text(json.dumps(self.build_one(name)))
                except RuntimeError as error:
                    self.names.remove(name)
                    self.result["left_out"][name] = f"not built within {self.build_limit:.0f} s ({error})"
                    print(name, self.result["left_out"][name], file=sys.stderr, flush=True)
                    continue
            entry = self.result["contestants"][name] = json.loads(noted.read_text())
            print(name, entry, file=sys.stderr, flush=True)

    def build_one(self, name):
        contestant = self.start(name)
        processor = psutil.Process(contestant.process.pid)
        limit = threading.Timer(self.build_limit, contestant.process.kill)
        limit.start()
        try:
            built = self.ask(contestant, "build", threads=2)
        finally:
            limit.cancel()
        used = sum(processor.cpu_times()[:2])
        contestant.close()
        entry = {"build_s": built["index_s"], "build_cpu_s": used, "disk": size_of(self.work / name)}
        if "ingest_s" in built:
            entry["ingest_rows_s"] = len(self.vectors) / built["ingest_s"]
        return entry

    def open(self):
        self.running = {}
        for name in self.names:
            times = []
            for _ in range(3):
                if name in self.running:
                    self.running.pop(name).close()
                contestant = self.running[name] = self.start(name)
                opened = self.ask(contestant, "open", queries=str(self.queries["audio"]))
                times.append(opened["first_s"])
            self.result["contestants"][name].update(open_s=statistics.median(times), memory=opened["memory"])
            print(name, "open", times, opened["memory"], file=sys.stderr, flush=True)

    def search(self, name, kind, **question):
        count, best = SLOW.get(name), self.truth[kind]
        queries = str(self.queries[kind])
        answer = self.ask(self.running[name], "search", queries=queries, k=K, count=count, **question)
        answer["recall"] = recall(answer.pop("rows"), best[:count])
        answer["qps"] = len(best[:count]) / answer["seconds"]
        return answer

    def walks(self):
        """At exactly each recall: between the two neighbouring numbers of candidates that reach less and more."""
        races = [{"kind": kind, "target": target} for kind in ("audio", "text") for target in TARGETS]
        walking = [name for name in self.names if not getattr(CONTESTANTS.get(name), "exact", False)]
        for race in races:
            around = {name: self.around(name, **race) for name in walking}
            race["contestants"] = {
                name: {"settings": [setting for setting, _ in points], "recalls": [reached for _, reached in points],
                       "qps": [], "qps2": [], "p50_us": [], "p99_us": []}
                for name, points in around.items() if points
            }
            race["misses"] = [name for name, points in around.items() if not points]
        for turn in range(self.rounds):
            for race in races:
                names = list(race["contestants"])
                start = turn % max(len(names), 1)
                for name in names[start:] + names[:start]:
                    self.turn(name, race["kind"], race["target"], race["contestants"][name])
        self.result["walks"] = [self.summary(race) for race in races]

    def around(self, name, kind, target):
        """The last setting below the target and the first that reaches it, with what they reach."""
        below = []
        for setting in settings_of(name):
            known = name, kind, *setting.values()
            if known not in self.reached:
                self.reached[known] = self.search(name, kind, **setting)["recall"]
            reached = self.reached[known]
            if reached >= target:
                return below + [(setting, reached)]
            below = [(setting, reached)]
        return None

    def turn(self, name, kind, target, taken):
        measured = [self.measure(name, kind, setting) for setting in taken["settings"]]
        for figure in ("qps", "qps2", "p50_us", "p99_us"):
            taken[figure].append(between(taken["recalls"], [m[figure] for m in measured], target))

    def measure(self, name, kind, setting):
        one = self.search(name, kind, **setting)
        times = sorted(one["times"])
        # All at once spares a peer the way through Python with every query.
        together = [] if name == "echoic" else [self.search(name, kind, batch=True, **setting)["qps"]]
        # The best of three: the system takes milliseconds to move a thread to the other processor, a thousand queries as little as 16.
        both = max(self.search(name, kind, threads=2, **setting)["qps"] for _ in range(3))
        return {"qps": max([one["qps"], *together]), "qps2": both,
                "p50_us": 1e6 * times[len(times) // 2], "p99_us": 1e6 * times[int(len(times) * 0.99)]}

    @staticmethod
    def summary(race):
        for threads in ("qps", "qps2"):
            peers = [t[threads] for name, t in race["contestants"].items() if name != "echoic"]
            if "echoic" in race["contestants"] and peers:
                ours = race["contestants"]["echoic"][threads]
                race[f"ratio_{threads}"] = statistics.median(o / max(p) for o, p in zip(ours, zip(*peers)))
        for t in race["contestants"].values():
            for figure in ("qps", "qps2", "p50_us", "p99_us"):
                t[figure] = statistics.median(t[figure])
        print(json.dumps(race), file=sys.stderr, flush=True)
        return race

    def calibrated(self):
        """What the walk reaches when it is asked for a recall and not for a number of candidates."""
        self.result["calibrated"] = {
            kind: {asked: self.search("echoic", kind, recall=asked)["recall"] for asked in RECALLS}
            for kind in ("audio", "text")
        }

    def exact(self):
        """One thread: query by query, and a hundred at once."""
        self.result["exact"] = {}
        names = [name for name in self.names if name == "echoic" or getattr(CONTESTANTS[name], "exact", False)]
        for how in ("single", "batch"):
            taken = {name: [] for name in names}
            for _ in range(self.rounds):
                for name in names:
                    found = self.search(name, "audio", exact=True, batch=how == "batch")
                    taken[name].append(found["qps"])
            entry = {name: statistics.median(qps) for name, qps in taken.items()}
            if len(names) > 1:
                best = zip(*(qps for name, qps in taken.items() if name != "echoic"))
                entry["ratio"] = statistics.median(o / max(p) for o, p in zip(taken["echoic"], best))
            self.result["exact"][how] = entry
            print("exact", how, entry, file=sys.stderr, flush=True)

    def projection(self):
        """The softmax over all rows, and the sum that it weighs."""
        vectors, queries = np.array(self.vectors), np.load(self.queries["audio"])[:20]
        ours, theirs = [], []
        for _ in range(self.rounds):
            answer = self.ask(self.running["echoic"], "project", queries=str(self.queries["audio"]), count=len(queries))
            ours.append(sum(answer["times"]))
            begun = time.perf_counter()
            for index, query in enumerate(queries):
                logits = (vectors @ query) / np.float32(0.01)
                weights = np.exp(logits - logits.max())
                mixed = weights @ vectors
                mixed /= np.linalg.norm(mixed)
                assert np.abs(mixed - np.array(answer["embeddings"][index])).max() < 1e-4
            theirs.append(time.perf_counter() - begun)
        self.result["projection"] = {
            "echoic_ms": 1e3 * statistics.median(ours) / len(queries),
            "numpy_ms": 1e3 * statistics.median(theirs) / len(queries),
            "ratio": statistics.median(t / o for o, t in zip(ours, theirs)),
        }
        print("projection", self.result["projection"], file=sys.stderr, flush=True)

    def domains(self):
        """A domain among others against a store of that domain alone."""
        listed = json.loads((Path.cwd() / "domains.json").read_text())
        if sum(domain["rows"] for domain in listed) != len(self.vectors):
            return
        together = self.work / "domains"
        shutil.rmtree(together, ignore_errors=True)
        builder = self.start("echoic")
        builder("build", store=str(together), vectors=str(self.vectors_path), domains=listed, threads=2)
        first, self.result["domains"] = 0, {}
        for domain in listed:
            rows = slice(first, first + domain["rows"])
            first += domain["rows"]
            if domain["name"] not in ("wavtext5k", "bbc_sound_effects", "audiocaps-train"):
                continue
            alone, part = self.work / f"only-{domain['name']}", self.work / f"{domain['name']}.npy"
            shutil.rmtree(alone, ignore_errors=True)
            np.save(part, self.vectors[rows])
            builder("build", store=str(alone), vectors=str(part), domains=[domain], threads=2)
            ratios = []
            pair = [self.start("echoic"), self.start("echoic")]
            for contestant, store in zip(pair, (together, alone)):
                contestant("open", store=str(store), queries=str(self.queries["audio"]))
            for _ in range(self.rounds):
                seconds = [
                    c("search", queries=str(self.queries["audio"]), k=K, domain=domain["name"])["seconds"] for c in pair
                ]
                ratios.append(seconds[0] / seconds[1])
            for contestant in pair:
                contestant.close()
            self.result["domains"][domain["name"]] = {"rows": domain["rows"], "time_ratio": statistics.median(ratios)}
        builder.close()
        print("domains", self.result["domains"], file=sys.stderr, flush=True)


def table(result):
    out = [f"{result['rows']:,} rows of {result['dim']}, {result['threads']} processors", ""]
    out += ["| | build, 2 threads | processor time of it | on disk | open to first answer | memory beside mapped files |", "|---|---|---|---|---|---|"]
    for name, c in result["contestants"].items():
        out.append(f"| {name} | {c['build_s']:.1f} s | {c['build_cpu_s']:.0f} s | {c['disk'] / 1e6:.0f} MB | {1e3 * c['open_s']:.1f} ms "
                   f"| {c['memory'] / result['rows']:.0f} bytes a row |")
    for walk in result["walks"]:
        out += ["", f"{walk['kind']} queries, recall@10 of {walk['target']}: "
                f"**{walk.get('ratio_qps', 0):.2f} ×** the best peer on one thread, "
                f"**{walk.get('ratio_qps2', 0):.2f} ×** on two", "",
                "| | between (candidates, or the recall asked for) | of recall@10 | queries/s | p50 | p99 | queries/s, 2 threads |", "|---|---|---|---|---|---|---|"]
        for name, c in sorted(walk["contestants"].items(), key=lambda item: -item[1]["qps"]):
            settings = ", ".join(str(value) for setting in c["settings"] for value in setting.values())
            recalls = ", ".join(f"{reached:.4f}" for reached in c["recalls"])
            out.append(f"| {name} | {settings} | {recalls} | {c['qps']:,.0f} | {c['p50_us']:.0f} µs "
                       f"| {c['p99_us']:.0f} µs | {c['qps2']:,.0f} |")
        if walk["misses"]:
            out += ["", f"not reached by any setting: {', '.join(walk['misses'])}"]
    for kind, reached in result["calibrated"].items():
        figures = ", ".join(f"{asked} {found:.3f}" for asked, found in reached.items())
        out += ["", f"asked for a recall, {kind} queries (asked, reached): {figures}"]
    for how, entry in result["exact"].items():
        ratio = entry.pop("ratio", 0)
        figures = ", ".join(f"{name} {qps:,.0f}" for name, qps in entry.items())
        out += ["", f"exact, one thread, {how}: **{ratio:.2f} ×** the best peer (queries/s: {figures})"]
        entry["ratio"] = ratio
    p = result["projection"]
    out += ["", f"projection onto all rows: **{p['ratio']:.2f} ×** numpy ({p['echoic_ms']:.1f} ms, {p['numpy_ms']:.1f} ms)"]
    for name, d in result.get("domains", {}).items():
        out += ["", f"the domain {name} ({d['rows']:,} rows) among all: {d['time_ratio']:.2f} × the time of a store of it alone"]
    for name, reason in result["left_out"].items():
        out += ["", f"left out: {name}, {reason}"]
    return "\n".join(out) + "\n"


def main():
    vectors, binary, rounds, build_limit, only = sys.argv[1:6]
    race = Race(vectors, binary, int(rounds), float(build_limit), only)
    race.result["threads"] = os.cpu_count()
    for step in (race.build, race.open, race.walks, race.calibrated, race.exact, race.projection, race.domains):
        step()
    for contestant in race.running.values():
        contestant.close()
    name = f"result-{len(race.vectors)}"
    Path(f"{name}.json").write_text(json.dumps(race.result, indent=1))
    Path(f"{name}.md").write_text(table(race.result))
    print(table(race.result))


if __name__ == "__main__":
    main()
