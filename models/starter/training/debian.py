"""Speech and music from Debian packages, which apt-get downloads and dpkg-deb unpacks (nothing is installed)."""
import glob
import os
import re
import subprocess

PACKAGES = [
    "asterisk-core-sounds-en-wav", "asterisk-core-sounds-es-wav", "asterisk-core-sounds-fr-wav",
    "asterisk-core-sounds-it-wav", "asterisk-moh-opsound-wav", "pocketsphinx-testdata",
    "fillets-ng-data-cs", "fillets-ng-data-nl", "colobot-common-sounds", "frozen-bubble-data",
    "wesnoth-1.16-music", "warzone2100-music",
]

# (path pattern, concept, group): which file of which package is what.
FILES = [
    (r"asterisk/sounds/.*/silence/", None),
    (r"asterisk/sounds/\w+_f_", "speech.phone"),
    (r"asterisk/sounds/\w+_m_", "speech.man"),
    (r"asterisk/sounds/", "speech.phone"),
    (r"fillets-ng/sound/.*-v-[^/]*\.ogg", "speech.man"),
    (r"fillets-ng/sound/.*-m-[^/]*\.ogg", "speech.woman"),
    (r"pocketsphinx.*\.wav", "speech.man"),
    (r"asterisk/moh/", "music.calm"),
    (r"wesnoth.*/music/.*\.ogg", "music.orchestral"),
    (r"warzone2100/music/.*\.opus", "music.electronic"),
    (r"colobot/music/.*\.ogg", "music.electronic"),
    (r"frozen-bubble/snd/.*(intro|main|mus).*\.ogg", "music.pop"),
]


def fetch(folder):
    """Downloads and unpacks the packages that are not there yet; returns the folder that holds them."""
    for package in PACKAGES:
        target = os.path.join(folder, package)
        if os.path.isdir(target):
            continue
        debs = os.path.join(folder, "archives")
        os.makedirs(debs, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", package], cwd=debs, check=True)
        archive = glob.glob(os.path.join(debs, package + "_*.deb"))[0]
        subprocess.run(["dpkg-deb", "-x", archive, target], check=True)
    return folder


def files(folder):
    """Yields (concept, package, path) of every usable recording, in a fixed order."""
    for package in PACKAGES:
        found = glob.glob(os.path.join(folder, package, "**", "*.*"), recursive=True)
        for path in sorted(found):
            if not re.search(r"\.(wav|ogg|opus)$", path):
                continue
            for pattern, concept in FILES:
                if re.search(pattern, path):
                    if concept:
                        yield concept, package, path
                    break
