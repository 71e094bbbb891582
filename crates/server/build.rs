//! Build: takes the web app into the binary when it was built (`web/app/dist`).
//!
//! Writes the table that `src/page/built.rs` includes: each file with its compressed siblings, its type and its tag,
//! and the hashes of the inline scripts of `index.html`. Without the app the table is empty, and the server has its
//! fallback page. Invariant: nothing is built here, so that `cargo build` alone needs no Node.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// From this crate's directory, in which cargo runs this.
const APP: &str = "../../web/app";

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo says where to write")?);
    let dist = Path::new(APP).join("dist");
    watch(&dist)?;
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(&dist, &mut files)?;
        files.sort();
    }
    fs::write(out.join("built.rs"), table(&dist, &files)?)?;
    Ok(())
}

/// Looks again when the app was built anew. What is not there counts as changed each time, so that without a `dist` the
/// folder it will appear in is watched.
fn watch(dist: &Path) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "cargo::rerun-if-changed=build.rs")?;
    let app = Path::new(APP);
    if let Some(place) = [dist, app].into_iter().find(|place| place.is_dir()) {
        writeln!(out, "cargo::rerun-if-changed={}", place.display())?;
    }
    Ok(())
}

/// Every file below; source maps stay outside.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if extension(&path) != "map" {
            files.push(path);
        }
    }
    Ok(())
}

fn table(dist: &Path, files: &[PathBuf]) -> Result<String, Box<dyn Error>> {
    let mut table = "pub(super) const FILES: &[File] = &[\n".to_owned();
    let mut scripts = Vec::new();
    for file in files.iter().filter(|file| !is_sibling(file, files)) {
        let name = file.strip_prefix(dist)?.to_str().ok_or("a file's name is no text")?;
        let content = fs::read(file)?;
        // The table is included from elsewhere: its paths are whole.
        let whole = file.canonicalize()?;
        if name == "index.html" {
            scripts = inline_scripts(std::str::from_utf8(&content)?);
        }
        let sibling = |ending: &str| {
            let has = files.contains(&with_ending(file, ending));
            let whole = with_ending(&whole, ending);
            if has { format!("Some(include_bytes!({whole:?}))") } else { "None".to_owned() }
        };
        writeln!(
            table,
            "    File {{ path: \"/{}\", kind: {:?}, tag: {:?}, immutable: {}, plain: include_bytes!({whole:?}), br: {}, \
             gzip: {} }},",
            name.escape_default(),
            kind(file),
            BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&content)),
            name.starts_with("assets/"),
            sibling("br"),
            sibling("gz"),
        )?;
    }
    writeln!(table, "];\npub(super) const SCRIPTS: &[&str] = &{scripts:?};")?;
    Ok(table)
}

fn extension(file: &Path) -> &str {
    file.extension().and_then(|extension| extension.to_str()).unwrap_or("")
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Whether a file is another one, compressed.
fn is_sibling(file: &Path, files: &[PathBuf]) -> bool {
    matches!(extension(file), "br" | "gz") && files.contains(&file.with_extension(""))
}

fn kind(file: &Path) -> &'static str {
    match extension(file) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "ico" => "image/vnd.microsoft.icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// The hashes of scripts that stand in the page itself, as the policy names them (CSP 3, section 2.3.1).
fn inline_scripts(html: &str) -> Vec<String> {
    let mut hashes = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find("<script") {
        let tag = &rest[start..];
        let (Some(open), Some(end)) = (tag.find('>'), tag.find("</script>")) else { break };
        let (attributes, content) = (&tag[..open], tag.get(open + 1..end).unwrap_or(""));
        if !attributes.contains(" src=") {
            hashes.push(format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(content))));
        }
        rest = &tag[end..];
    }
    hashes
}
