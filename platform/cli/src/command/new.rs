//! `notrace task new`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::args::New;
use crate::exit::{Done, Failure, Local};
use crate::guests::{Example, example};
use crate::say;

pub(crate) fn write(new: &New) -> Done {
    let name = new.name.as_str();
    let folder = Path::new(name);
    let Example { files, build, module } = example(new.lang);
    fs::create_dir(folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::local(Local::FileExists, format_args!("{name} is there already"))
        }
        _ => Failure::unwritable(folder, &error),
    })?;
    for (file, text) in files {
        let path = folder.join(file.replace("NAME", name));
        create(&path, &text.replace("NAME", name))
            .map_err(|error| Failure::unwritable(&path, &error))?;
    }
    let module = module.replace("NAME", name);
    say::line(format_args!("{name}/  written; next:"))?;
    if !build.is_empty() {
        say::line(format_args!("  {}", build.replace("NAME", name)))?;
    }
    say::line(format_args!("  notrace task check {module}"))?;
    say::line(format_args!("  notrace task push {module} --name {name}"))?;
    say::line(format_args!("  echo hello | notrace run {name} --input -"))
}

fn create(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}
