"""Long recordings of places and journeys in public repositories: field.txt says which, what is heard, and under what licence."""
import collections
import os

Recording = collections.namedtuple("Recording", "repository path concept captions")


def load(path=os.path.join(os.path.dirname(__file__), "field.txt")):
    """Yields the recordings; concept is None where only the captions say what is heard."""
    repository = None
    for line in open(path, encoding="utf-8"):
        line = line.strip()
        if line.startswith("= "):
            repository = line[2:].split(" | ")[0]
        elif line and not line.startswith("#"):
            name, concept, *captions = line.split(" | ")
            yield Recording(repository, name, None if concept == "-" else concept, captions)


def starts(seconds, window, most):
    """Where windows begin: one after the other, and evenly spread where there is room for more than `most`."""
    room = max(1, int(seconds // window))
    count = min(room, most)
    return [window * (i * room // count) for i in range(count)]
