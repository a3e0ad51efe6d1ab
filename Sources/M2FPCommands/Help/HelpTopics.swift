extension HelpTopic {
  static let outputs = HelpTopic(
    name: "outputs",
    abstract: "What 'm2fp parse' writes for photo.jpg, beside it or under --out.",
    blocks: [
      .list([
        (
          "photo.m2fp.png",
          "Indexed PNG of the photo's own size: the pixel value is the class, the palette the class "
            + "colours. Colour map and label map in one; in Python "
            + "numpy.array(PIL.Image.open(\"photo.m2fp.png\"))."
        ),
        (
          "photo.m2fp/hair.png",
          "A 1-bit mask for each class that is present (--masks chooses)."
        ),
        (
          "photo.m2fp.json",
          "The sidecar: classes with pixel counts and scores, parts, humans with boxes, and with "
            + "which input, model and options they were made. Written last: where it is, all is."
        ),
        (
          "photo.m2fp.overlay.jpg",
          "With --overlay: the photo under translucent colours."
        ),
        (
          "photo.m2fp.persons.png",
          "With --persons: an indexed PNG whose pixel value is the person, as numbered in the "
            + "sidecar. Where people overlap, the one with the best score lies on top."
        ),
        (
          "photo.m2fp/person-1/hair.png",
          "With --person-masks: the masks of each person."
        ),
        (
          "photo.m2fp.cutout.png",
          "With --cutout: the photo where it shows these classes, transparent elsewhere."
        ),
        (
          "photo.m2fp/person-1.cutout.png",
          "With --cutout-persons: the same for each person."
        ),
        (
          "photo.m2fp.obscured.jpg",
          "With --blur or --pixelate: the photo with these classes made unrecognisable, whole heads for "
            + "face and hair. Who is not found is not covered."
        ),
      ]),
      .paragraph("What is written once for all photos, wherever the option says:"),
      .list([
        (
          "--export coco=FILE.json",
          "COCO instances: persons and parts as compressed RLE; a part bears its person's id."
        ),
        (
          "--export lip=DIR",
          "global_parsing, instance_parsing and scores, as the LIP and CIHP challenges take them."
        ),
        (
          "--export yolo=DIR",
          "labels/NAME.txt with polygons, copies of the photos, data.yaml; it may be moved."
        ),
        ("--export labels=DIR", "8-bit grey PNGs: pixel value = class."),
        (
          "--sheet FILE.html",
          "One page to look through that needs nothing else: photos, colour maps, overlays, shares, "
            + "failures."
        ),
        (
          "--sheet DIR",
          "The same with its pictures beside it, for thousands of photos: open DIR/index.html."
        ),
        (
          "--metrics FILE.prom",
          "A Prometheus textfile: times of the last run and success, files by result, seconds by "
            + "stage, memory, exit code."
        ),
        (
          "--failed-to FILE",
          "The photos that failed, for --files-from."
        ),
        (
          "--cache DIR",
          "v1/KK/KEY.entry, one for each result: shared by any number of runs; 'm2fp cache' tends it."
        ),
      ]),
      .paragraph(
        "--export and --sheet take in all photos of the run, those that were current included, and "
          + "wait for a run that leaves none for the next. A folder appears whole in place of an "
          + "earlier export, and of nothing else."),
      .paragraph(
        "'m2fp parse -' writes none of these: of the photo on standard input, what --output says goes to "
          + "standard output."),
      .paragraph(
        "With --naming full the names begin with the whole file name (photo.jpg.m2fp.png), so that "
          + "a.jpg and a.png can lie side by side."),
      .paragraph(
        "Files appear under their names only when they are complete. A photo is skipped while its "
          + "sidecar says that the same input, model and options gave the outputs that are there. "
          + "The same input, model, options and --threads give the same bytes."),
      .paragraph(
        "'m2fp classes' lists the classes with their colours. Left and right are the person's own."),
    ])

  static let exitCodes = HelpTopic(
    name: "exit-codes",
    abstract: "What the exit code of m2fp says.",
    manualTitle: "exit status", isForEveryPage: true,
    blocks: [
      .list([
        ("0", "Every file was parsed, or was already current; all is well."),
        ("1", "Internal error; 'doctor' found something wrong."),
        (
          "3",
          "Finished, some files failed. Each is named with the stage and the reason. 'eval' and "
            + "'compare': some images could not be compared."
        ),
        ("4", "'compare': an image agrees in less than --least."),
        ("64", "Wrong usage, or a wrong m2fp.toml."),
        (
          "65",
          "The model is damaged, not the one that is wanted, or does more than compute; or its "
            + "contract is not one that this version can serve."
        ),
        ("66", "No input."),
        ("69", "No such model."),
        ("72", "libtorch, or m2fp's library over it, cannot be loaded."),
        (
          "73",
          "Nothing can be written where the outputs belong, or to standard output; the disk is full; "
            + "an export, sheet, list or metrics file could not be written (also where photos failed: "
            + "the next run says so)."
        ),
        (
          "75",
          "Another run holds the lock, --time-limit was up with files left, too many files hang, or there "
            + "is too little memory or are too few threads: run it again."
        ),
        (
          "130, 143",
          "Interrupted (SIGINT), terminated (SIGTERM). What is written is whole; the same command "
            + "goes on from there. A second signal stops at once."
        ),
      ]),
      .paragraph(
        "Where several apply, it is what ended the run early; else 73; else 3 or 4. Every failure is "
          + "named all the same, and counted in --json, --metrics and --failed-to."),
    ])

  static let models = HelpTopic(
    name: "models",
    abstract: "Where models come from and how to name them.",
    blocks: [
      .list([
        (
          "m2fp-tiny",
          "The default: our own small M2FP, trained on synthetic people and on labelled photos of "
            + "real ones, free to use commercially. It outlines people, faces, hair and clothes well, "
            + "arms and legs mostly, and mixes up left and right and kinds of garment."
        ),
        (
          "m2fp-r101",
          "The published M2FP with ResNet-101. Its weights may not be redistributed and are for "
            + "non-commercial use; whoever has them converts them once:"
        ),
      ]),
      .lines(
        """
        /usr/bin/python3 Models export --config m2fp-r101 \\
          --checkpoint pytorch_model.pt --out m2fp-r101.pt
        """),
      .paragraph(
        "--model takes a name or a file. A file has a slash in it or ends in .pt; a name is looked "
          + "for in the folders of M2FP_MODELS (separated by colons), in ~/.local/share/m2fp/models "
          + "and in PREFIX/share/m2fp/models. 'm2fp models' lists what is found, with licences; "
          + "'m2fp doctor' tries each."),
      .paragraph(
        "A model is a program: it could read and write any file that you can. One that runs code when "
          + "it is loaded, or calls what networks do not need, is refused, and the message names it; "
          + "--trust-model SHA256 runs that very archive all the same. --model-sha256 SHA256 refuses "
          + "any other than that one. Of a model that needs others the SHA-256 of all of them counts."
      ),
      .paragraph(
        "An archive carries its contract: class names, palette, sizes, thresholds and licence. So "
          + "a model of other classes needs no change to m2fp."),
    ])

  static let files = HelpTopic(
    name: "files",
    abstract: "What m2fp reads and leaves besides photos and results.",
    isForEveryPage: true,
    blocks: [
      .list([
        ("m2fp.toml", "Defaults of options, in the current folder ('m2fp help config')."),
        (
          "~/.config/m2fp/m2fp.toml",
          "The same for every folder; what the folder's own file sets is stronger. $XDG_CONFIG_HOME "
            + "counts."
        ),
        (
          "~/.local/share/m2fp/models/NAME.pt",
          "Models, found by their names. $XDG_DATA_HOME counts."
        ),
        (
          "PREFIX/share/m2fp/models, PREFIX/lib/m2fp",
          "The model and the libraries that came with m2fp; PREFIX is where bin/m2fp lies, wherever "
            + "that is moved."
        ),
        (".m2fp.lock", "In a folder that a run writes under, while it does."),
        (
          ".m2fp-*.tmp",
          "A result that is not whole yet. The next run removes what a power cut left."
        ),
      ])
    ])

  static let environment = HelpTopic(
    name: "environment",
    abstract: "The variables that m2fp looks at.",
    isForEveryPage: true,
    blocks: [
      .list([
        (
          "M2FP_OPTION",
          "The default of an option, its name in capitals with underscores: M2FP_JOBS=4 for --jobs 4, "
            + "M2FP_OVERLAY=1 for --overlay. Weaker than the command line, stronger than m2fp.toml."
        ),
        (
          "M2FP_MODELS",
          "Folders that are looked through for models first, separated by colons."
        ),
        (
          "M2FP_CACHE",
          "The folder or Redis server of the cache, as --cache names it; empty for none."
        ),
        ("NO_COLOR", "Set to anything: no colours, unless --color always asks for them."),
        ("TERM", "dumb: neither colours nor a progress bar that is drawn anew."),
        (
          "LC_ALL, LC_CTYPE, LANG",
          "The first that is set says whether the terminal shows more than ASCII."
        ),
        ("XDG_CONFIG_HOME, XDG_DATA_HOME", "In place of ~/.config and ~/.local/share."),
        ("SLURM_ARRAY_TASK_ID, ...", "Which part --shard slurm does."),
        (
          "GOMP_SPINCOUNT, ONEDNN_PRIMITIVE_CACHE_CAPACITY, LRU_CACHE_CAPACITY",
          "Set by m2fp for the libraries below it (1000, 256, 256) where they are not set already."
        ),
      ])
    ])
}
