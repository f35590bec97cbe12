//! The packet scripts below `scripts/`: each case is a test, named by its area, file and name.
//! One alone: `cargo test -p sim --test scripts -- area::file::case`.

use std::path::Path;

use libtest_mimic::{Arguments, Failed, Trial};
use sim::script;

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut trials = Vec::new();
    for area in entries(&root) {
        for file in entries(&area) {
            collect(&file, &mut trials);
        }
    }
    assert!(!trials.is_empty(), "no script was found");
    libtest_mimic::run(&arguments, trials).exit();
}

fn entries(directory: &Path) -> Vec<std::path::PathBuf> {
    let found = std::fs::read_dir(directory).expect("a readable directory");
    let mut paths: Vec<_> = found.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem().expect("a name");
    stem.to_string_lossy().into_owned()
}

fn collect(file: &Path, trials: &mut Vec<Trial>) {
    let area = file.parent().map(stem).expect("an area");
    let place = format!("{area}::{}", stem(file));
    let text = std::fs::read_to_string(file).expect("a readable script");
    let shown = file.display().to_string();
    let fail = move |failure: script::Failure| Failed::from(format!("{shown}: {failure}"));
    match script::parse(&text) {
        Ok(cases) => {
            for case in cases {
                let fail = fail.clone();
                let name = format!("{place}::{}", case.name);
                trials.push(Trial::test(name, move || case.run().map_err(fail)));
            }
        }
        Err(failure) => {
            trials.push(Trial::test(place, move || Err(fail(failure))));
        }
    }
}
