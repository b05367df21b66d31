//! What the help of each command shows at its end. A test takes every line through the parser.

use clap::Command;

/// Lines by command; what stands behind ` # ` is a remark.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("demo", &["echoic demo", "echoic --store demo-store demo recordings/"]),
    (
        "init",
        &[
            "echoic init # for the starter",
            "echoic --store sounds init --model laion/clap-htsat-unfused",
            "echoic --store clap init --model external --dim 512 # for embeddings of your own",
        ],
    ),
    (
        "ingest",
        &[
            "echoic ingest captions.csv --domain clotho",
            "echoic ingest corrected.csv --domain clotho --replace-clips",
            "echoic ingest captions.csv --domain d --embeddings text.npy",
        ],
    ),
    ("domains", &["echoic domains", "echoic domains rename clotho clotho-2021", "echoic domains remove clotho"]),
    (
        "captions",
        &[
            "echoic captions find \"dog bark\" --limit 20",
            "echoic captions list --csv --limit 1000 --after 7402 # the next thousand",
            "echoic captions show 7402",
            "echoic captions remove 7402 7825",
        ],
    ),
    (
        "audit",
        &[
            "echoic audit caption bell.wav",
            "echoic --json audit caption recordings/ --only neighbours,words",
            "echoic audit compare nearest projection recordings/",
            "echoic audit compare store=old,k=5 decoder=mine recordings/ --references captions.csv",
            "echoic audit memory",
            "echoic audit memory --queries recordings/ --only hubs,gap # asked with sounds, too",
            "echoic audit memory --only recall --plot recall --svg recall.svg # recall and latency, by effort",
            "echoic audit memory --html memory.html # a page; --svg FILE and --png FILE write single plots",
            "echoic audit caption bell.wav --html audit.html # a page to look at and to listen to",
            "echoic audit history --find dog --limit 20 # what was logged: caption --log",
            "echoic audit history replay 17",
        ],
    ),
    ("check", &["echoic check", "echoic check --repair"]),
    ("backup", &["echoic backup /mnt/backup/sounds", "echoic backup /mnt/backup/sounds --copy # no hard links"]),
    (
        "export",
        &[
            "echoic export all.jsonl",
            "echoic export farm.parquet --format parquet --domain farm",
            "echoic export - # to standard output",
        ],
    ),
    ("compact", &["echoic compact"]),
    ("stats", &["echoic stats", "echoic --json stats"]),
    (
        "gap",
        &[
            "echoic gap # the texts alone",
            "echoic gap --pairs captions.csv --audio recordings/ --plot # then: echoic train --bridge both",
            "echoic --json gap --audio-embeddings audio.npy --text-embeddings text.npy --dry-run",
            "echoic gap --pairs captions.csv --svg gap.svg",
        ],
    ),
    (
        "train",
        &[
            "echoic train --name mine # minutes",
            "echoic train --name mine --resume # after Ctrl-C",
            "echoic train --name wsac --preset paper --noise estimate # hours",
            "echoic train --name shifted --bridge both # by the shift that `echoic gap --pairs` has measured",
            "echoic train --name wider --width 256 --layers 3 --dropout 0.2 --tying off",
            "echoic train --name street --from mine --domain street # fine-tuned",
        ],
    ),
    (
        "decoders",
        &[
            "echoic decoders",
            "echoic decoders show mine --plot",
            "echoic decoders show mine --svg training.svg",
            "echoic decoders remove mine",
        ],
    ),
    (
        "caption",
        &[
            "echoic caption bell.wav",
            "echoic --json caption recordings/ --domain street -k 20",
            "echoic caption recordings/ --csv captions.csv --sidecar",
            "echoic caption recordings/ --windows --sidecar --sidecar-format vtt # subtitles",
            "echoic --json caption recordings/ --windows --merge # one line for windows that say the same",
            "echoic caption recordings/ --resume captions.jsonl # the same again after Ctrl-C",
            "echoic caption - < bell.wav",
        ],
    ),
    (
        "score",
        &[
            "echoic score predictions.csv references.csv",
            "echoic --json score predictions.jsonl captions.csv --per-clip scores.csv",
            "echoic score predictions.csv references.csv --only cider_d,rouge_l --unmatched skip",
        ],
    ),
    (
        "eval",
        &[
            "echoic eval captions.csv --audio recordings/",
            "echoic eval captions.csv --audio recordings/ --strategy nearest,projection -k 1,10,100 --resume experiment/",
            "echoic eval captions.csv --text-side --limit 200 # each caption from its own embedding",
            "echoic eval captions.csv --embeddings sounds.npy --format markdown --save-predictions predictions/",
        ],
    ),
    (
        "reproduce",
        &[
            "echoic reproduce wsac --clotho clotho/ --audiocaps audiocaps/ --model wavcaps-cnn14 --dry-run # what it takes",
            "echoic reproduce wsac --clotho clotho/ --model starter --preset small --work wsac/",
        ],
    ),
    (
        "calibrate",
        &[
            "echoic calibrate captions.csv --audio recordings/",
            "echoic --json calibrate captions.csv --audio recordings/ --dry-run",
        ],
    ),
    (
        "search",
        &[
            "echoic search --text \"rain\" -k 5",
            "echoic search --audio bell.wav",
            "echoic search \"a dog barks\" --audio recordings/ --windows -k 5 # when was it heard?",
            "echoic search --embedding audio.npy",
        ],
    ),
    (
        "serve",
        &[
            "echoic serve # then open the address that it prints",
            "echoic serve --clips recordings/ --bind 127.0.0.1:8080",
            "echoic serve --bind 0.0.0.0:7373 --host sounds.example # with a token in ECHOIC_TOKEN",
        ],
    ),
    (
        "embed",
        &[
            "echoic embed --audio recordings/ --out sounds.npy",
            "echoic embed --audio long.flac --windows --out windows.npy",
            "echoic embed --text captions.csv --out captions.npy --model laion/clap-htsat-unfused",
        ],
    ),
    (
        "align",
        &["echoic align pairs.csv --out mine.safetensors # then: echoic --store mine init --adapter mine.safetensors"],
    ),
    (
        "models",
        &[
            "echoic models",
            "echoic models pull starter",
            "echoic models pull meteor # what the metric METEOR needs",
            "echoic models pull HTSAT-BERT.pt --as wavcaps # a file of this machine",
            "echoic models verify wavcaps",
        ],
    ),
    (
        "completions",
        &[
            "echoic completions bash # put it into ~/.local/share/bash-completion/completions/echoic",
            "echoic completions zsh # into a file _echoic in a folder of $fpath",
            "echoic completions fish # into ~/.config/fish/completions/echoic.fish",
        ],
    ),
    ("doctor", &["echoic doctor"]),
];

/// The examples of a command.
pub fn of(command: &str) -> impl Iterator<Item = &'static str> + use<'_> {
    EXAMPLES.iter().filter(move |(name, _)| *name == command).flat_map(|(_, lines)| lines.iter().copied())
}

/// The command line whose commands end their help with examples.
pub fn shown_in(whole: Command) -> Command {
    whole.mut_subcommands(|command| {
        let lines: Vec<&str> = of(command.get_name()).collect();
        match lines.is_empty() {
            true => command,
            false => command.after_help(format!("Examples:\n  {}", lines.join("\n  "))),
        }
    })
}
