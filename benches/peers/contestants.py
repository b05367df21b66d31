"""The peers, each behind the same few calls. A contestant runs in its own process: `python contestants.py NAME VECTORS FOLDER`."""
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

THREADS = 2
M, EF_CONSTRUCTION = 16, 200


class Hnswlib:
    def build(self, vectors, folder):
        import hnswlib
        self.index = hnswlib.Index("ip", vectors.shape[1])
        self.index.init_index(len(vectors), M=M, ef_construction=EF_CONSTRUCTION)
        self.index.add_items(vectors, num_threads=THREADS)
        self.index.save_index(str(folder / "index"))

    def open(self, folder, dim):
        import hnswlib
        self.index = hnswlib.Index("ip", dim)
        self.index.load_index(str(folder / "index"))

    def search(self, queries, k, ef, threads):
        self.index.set_ef(ef)
        return self.index.knn_query(queries, k, num_threads=threads)[0]


class FaissHnsw:
    def build(self, vectors, folder):
        import faiss
        faiss.omp_set_num_threads(THREADS)
        self.index = faiss.IndexHNSWFlat(vectors.shape[1], M, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = EF_CONSTRUCTION
        self.index.add(vectors)
        faiss.write_index(self.index, str(folder / "index"))

    def open(self, folder, dim):
        import faiss
        self.index = faiss.read_index(str(folder / "index"))

    def search(self, queries, k, ef, threads):
        import faiss
        faiss.omp_set_num_threads(threads)
        self.index.hnsw.efSearch = ef
        return self.index.search(queries, k)[1]


class FaissFlat:
    exact = True

    def build(self, vectors, folder):
        import faiss
        self.index = faiss.IndexFlatIP(vectors.shape[1])
        self.index.add(vectors)
        faiss.write_index(self.index, str(folder / "index"))

    def open(self, folder, dim):
        import faiss
        self.index = faiss.read_index(str(folder / "index"))

    def search(self, queries, k, ef, threads):
        import faiss
        faiss.omp_set_num_threads(threads)
        return self.index.search(queries, k)[1]


class Usearch:
    dtype = "f32"

    def build(self, vectors, folder):
        import numpy
        from usearch.index import Index
        self.index = Index(ndim=vectors.shape[1], metric="ip", dtype=self.dtype, connectivity=M,
                           expansion_add=EF_CONSTRUCTION)
        self.index.add(numpy.arange(len(vectors)), vectors, threads=THREADS)
        self.index.save(str(folder / "index"))

    def open(self, folder, dim):
        from usearch.index import Index
        self.index = Index.restore(str(folder / "index"), view=True)

    def search(self, queries, k, ef, threads):
        self.index.expansion_search = ef
        found = self.index.search(queries, k, threads=threads)
        return found.keys.reshape(len(queries), -1)


class UsearchI8(Usearch):
    """Its own quantised form: smaller and faster, without a second look at the vectors."""
    dtype = "i8"


class LanceDb:
    """Its HNSW over 8-bit codes inside one partition, with a second look at twice the neighbours."""

    def build(self, vectors, folder):
        import lancedb
        import pyarrow as pa
        rows = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
        self.table = lancedb.connect(str(folder)).create_table("t", pa.table({"id": range(len(vectors)), "vector": rows}))
        self.table.create_index(metric="dot", index_type="IVF_HNSW_SQ", num_partitions=1, m=M,
                                ef_construction=EF_CONSTRUCTION)

    def open(self, folder, dim):
        import lancedb
        self.table = lancedb.connect(str(folder)).open_table("t")

    def search(self, queries, k, ef, threads):
        def ask(query):
            found = self.table.search(query).distance_type("dot").ef(max(ef, 2 * k)).nprobes(1).refine_factor(2).limit(k)
            return found.select(["id", "_distance"]).to_arrow()["id"].to_pylist()
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(ask, queries))


class Qdrant:
    """The client's local mode: exact, in numpy."""
    exact = True

    def build(self, vectors, folder):
        from qdrant_client import QdrantClient, models
        self.client = QdrantClient(path=str(folder))
        parameters = models.VectorParams(size=vectors.shape[1], distance=models.Distance.DOT)
        self.client.create_collection("t", vectors_config=parameters)
        self.client.upload_collection("t", vectors, ids=range(len(vectors)))

    def open(self, folder, dim):
        from qdrant_client import QdrantClient
        self.client = QdrantClient(path=str(folder))

    def search(self, queries, k, ef, threads):
        return [[p.id for p in self.client.query_points("t", query=q, limit=k).points] for q in queries]


CONTESTANTS = {
    "hnswlib": Hnswlib, "faiss-hnsw": FaissHnsw, "faiss-flat": FaissFlat, "usearch": Usearch, "usearch-i8": UsearchI8,
    "lancedb": LanceDb, "qdrant-local": Qdrant,
}


def memory():
    """Bytes that this process holds beside mapped files."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return 1024 * int(line.split()[1])


def serve(name, vectors, folder):
    import numpy
    dim = numpy.load(vectors, mmap_mode="r").shape[1]
    peer, folder, loaded = CONTESTANTS[name](), Path(folder), {}
    for line in sys.stdin:
        question = json.loads(line)
        if question["op"] == "build":
            folder.mkdir(parents=True)
            rows = numpy.load(vectors)
            begun = time.perf_counter()
            peer.build(rows, folder)
            answer = {"index_s": time.perf_counter() - begun}
        else:
            path, count = question["queries"], question.get("count")
            queries = loaded.setdefault(path, numpy.load(path))[:count]
            k, ef, threads = question.get("k", 10), question.get("ef", 64), question.get("threads", 1)
            if question["op"] == "open":
                # Importing the package is not opening the index.
                __import__({"faiss-hnsw": "faiss", "faiss-flat": "faiss", "usearch": "usearch.index",
                            "usearch-i8": "usearch.index", "qdrant-local": "qdrant_client"}.get(name, name))
                before = memory()
                begun = time.perf_counter()
                peer.open(folder, dim)
                peer.search(queries[:1], k, ef, 1)
                first = time.perf_counter() - begun
                answer = {"first_s": first, "memory": memory() - before}
            elif question.get("batch") or threads > 1:
                begun = time.perf_counter()
                rows = peer.search(queries, k, ef, threads)
                answer = {"seconds": time.perf_counter() - begun, "times": []}
                answer["rows"] = [[int(row) for row in found] for found in rows]
            else:
                times, rows = [], []
                for query in queries:
                    begun = time.perf_counter()
                    found = peer.search(query[None], k, ef, 1)
                    times.append(time.perf_counter() - begun)
                    rows.append([int(row) for row in found[0]])
                answer = {"seconds": sum(times), "times": times, "rows": rows}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    # One thread unless a question says otherwise; numpy and BLAS read this when they are imported.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    serve(*sys.argv[1:4])
