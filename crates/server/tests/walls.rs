//! Walls: reads the sources of the whole workspace and holds the rules that no compiler holds.
//!
//! Imports run down, SQL stands in the store alone, the environment is read in `config.rs` alone, every file says what
//! it is for, is compiled and stays readable, and the documents name tests and codes that exist. Each rule is shown to
//! find a planted violation, for a rule that was never seen failing proves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "walls/source.rs"]
mod source;

use source::parse;

/// Modules of the server from top to bottom: each may use its own layer and those below it.
const LAYERS: &[&[&str]] = &[
    &["main", "lib", "verbs"],
    &["serve", "import"],
    &["gateway", "rest", "page"],
    &["app"],
    &["auth", "conversation", "presence", "typing"],
    &["router", "test_hooks"],
    &["config"],
];

/// Uses that go up all the same: from, to, why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("router.rs", "presence", "its task tells presence of members leaving, in the order of the log"),
    ("router.rs", "typing", "its task tells typing of members leaving, in the order of the log"),
];

/// What each crate may depend on inside the workspace, outside of tests.
const CRATES: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("store", &["wire"]),
    ("client", &["wire"]),
    ("drill", &["client", "wire"]),
    ("server", &["client", "drill", "store", "wire"]),
];

/// The server is never its own client: load and drills are for the verbs.
const VERBS_ONLY: &[&str] = &["stonechat_client", "stonechat_drill"];

/// Sources that hold SQL: the store, and the files of their own that client and drill keep.
const SQL_PLACES: &[&str] = &["crates/store/", "crates/client/src/store", "crates/drill/"];

/// Ways to the environment and arguments of the process.
const ENVIRONMENT: &[&str] =
    &["var", "var_os", "vars", "vars_os", "set_var", "remove_var", "args", "args_os", "home_dir"];

const MAX_LINES: usize = 800;

#[test]
fn imports_run_down() {
    let found = upward_uses(&server_sources());
    let excepted = |line: &&String| {
        EXCEPTIONS.iter().any(|(from, to, _)| line.starts_with(&format!("{from} uses {to} ")))
    };
    let (known, new): (Vec<_>, Vec<_>) = found.iter().partition(excepted);
    assert!(new.is_empty(), "imports that go up:\n{}", lines(new));
    assert_eq!(known.len(), EXCEPTIONS.len(), "an exception is no longer needed: {known:?}");
}

#[test]
fn imports_run_down_finds_a_planted_use() {
    let found = |path: &str, text: &str| upward_uses(&[(path.to_owned(), text.to_owned())]);
    assert_eq!(found("router.rs", "use crate::rest::Error;").len(), 1);
    assert_eq!(found("router/deliver.rs", "fn f() { super::super::app::App::new(); }").len(), 1);
    assert_eq!(found("auth.rs", "use crate::{config::Settings, app::App};").len(), 1);
    assert_eq!(found("auth.rs", "use super::gateway;").len(), 1);
    assert_eq!(found("nobody_placed_me.rs", "").len(), 1);
    assert!(
        found("gateway/session.rs", "use super::socket; use crate::auth::Auth; // crate::serve").is_empty()
    );
}

#[test]
fn only_verbs_are_clients() {
    let found = client_uses(&server_sources());
    assert!(found.is_empty(), "the server's parts use its client:\n{}", lines(&found));
    let planted =
        |path: &str| client_uses(&[(path.to_owned(), "use stonechat_client::Chat;".to_owned())]).len();
    assert_eq!((planted("rest/sync.rs"), planted("verbs/drill.rs"), planted("verbs.rs")), (1, 0, 0));
}

#[test]
fn crates_depend_downwards() {
    let manifests = CRATES.iter().map(|(name, _)| {
        let path = workspace().join("crates").join(name).join("Cargo.toml");
        (*name, fs::read_to_string(&path).expect("every crate has a manifest"))
    });
    let found: Vec<_> =
        manifests.flat_map(|(name, manifest)| foreign_dependencies(name, &manifest)).collect();
    assert!(found.is_empty(), "dependencies that go up:\n{}", lines(&found));
    let on_disk = fs::read_dir(workspace().join("crates")).expect("crates").count();
    assert_eq!(on_disk, CRATES.len(), "a crate has no place in CRATES");
}

#[test]
fn crates_depend_downwards_finds_a_planted_dependency() {
    let manifest = "[dependencies]\nserde.workspace = true\nstonechat-server = { path = \"../server\" }\n";
    assert_eq!(foreign_dependencies("store", manifest).len(), 1);
    assert_eq!(foreign_dependencies("wire", "[dependencies]\nstonechat-store.workspace = true\n").len(), 1);
    assert!(
        foreign_dependencies("server", "[dev-dependencies]\nstonechat-client.workspace = true\n").is_empty()
    );
}

#[test]
fn sql_stands_in_the_store_alone() {
    let mut found = Vec::new();
    for (path, text) in sources() {
        if !is_this_file(&path) && !SQL_PLACES.iter().any(|place| path.starts_with(place)) {
            found.extend(sql_in(&text).into_iter().map(|sql| format!("{path}: {sql}")));
        }
    }
    assert!(found.is_empty(), "SQL outside of the store:\n{}", lines(&found));
}

#[test]
fn sql_finds_planted_statements() {
    for planted in [
        r#"sql.execute("delete from events", [])"#,
        r##"let q = r#"select * from users"#;"##,
        "query(\"insert into events \\\n  (seq) values (?1)\")",
        r#"("update members set role = 1")"#,
    ] {
        assert_eq!(sql_in(planted).len(), 1, "{planted}");
    }
    for innocent in [
        "// select a from b",
        r#"println("select one of these")"#,
        "let update = set; delete(from); /* delete from x */",
    ] {
        assert!(sql_in(innocent).is_empty(), "{innocent}");
    }
    let store = sources().into_iter().filter(|(path, _)| path.starts_with("crates/store/"));
    assert!(
        store.map(|(_, text)| sql_in(&text).len()).sum::<usize>() > 100,
        "the store's own SQL is not recognised"
    );
}

#[test]
fn the_environment_is_read_in_config_alone() {
    let mut found = Vec::new();
    for (path, text) in sources() {
        // Cargo tells a build script by the environment where to write.
        if !path.ends_with("/config.rs") && !path.ends_with("/build.rs") && !is_this_file(&path) {
            found.extend(environment_in(&text).into_iter().map(|name| format!("{path}: env::{name}")));
        }
    }
    assert!(found.is_empty(), "the environment is read outside of config.rs:\n{}", lines(&found));
}

#[test]
fn the_environment_finds_a_planted_read() {
    assert_eq!(environment_in("let home = std::env::var(\"HOME\");"), ["var"]);
    assert_eq!(environment_in("use std::env; fn f() { env::args(); }"), ["args"]);
    assert!(
        environment_in("std::env::current_exe(); // std::env::var\n let s = \"std::env::var(x)\";")
            .is_empty()
    );
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    let found: Vec<_> = sources().iter().flat_map(|(path, text)| unreadable(path, text)).collect();
    assert!(found.is_empty(), "files:\n{}", lines(&found));
    assert_eq!(unreadable("x.rs", "use std::fs;\n").len(), 1);
    assert_eq!(unreadable("x.rs", &format!("//! X: long.\n{}", "\n".repeat(MAX_LINES))).len(), 1);
    assert!(unreadable("x.rs", "//! X: short.\n").is_empty());
}

/// A file that no module declares is never compiled: its tests never run, and still look like tests.
#[test]
fn every_file_is_compiled() {
    let found = undeclared(&sources());
    assert!(found.is_empty(), "files that no module declares:\n{}", lines(&found));
}

#[test]
fn every_file_is_compiled_finds_a_planted_orphan() {
    let plant = |parent: &str, text: &str, path: &str| {
        let pair = [(parent.to_owned(), text.to_owned()), (path.to_owned(), String::new())];
        undeclared(&pair).len()
    };
    assert_eq!(plant("crates/a/tests/all/main.rs", "mod live;", "crates/a/tests/all/rows.rs"), 1);
    assert_eq!(plant("crates/a/src/lib.rs", "// mod rows;\nmod arrows;", "crates/a/src/rows.rs"), 1);
    assert_eq!(plant("crates/a/tests/all/main.rs", "mod rows;", "crates/a/tests/all/rows.rs"), 0);
    assert_eq!(plant("crates/a/src/b.rs", "pub(crate) mod rows;", "crates/a/src/b/rows.rs"), 1, "b itself");
    assert_eq!(plant("crates/a/src/lib.rs", "", "crates/a/tests/rows.rs"), 0, "a test of its own");
}

/// `docs/requirements.md` promises that these tests show its rows.
#[test]
fn requirements_name_tests_that_exist() {
    let document =
        fs::read_to_string(workspace().join("docs/requirements.md")).expect("docs/requirements.md");
    let tests: BTreeSet<String> = sources().iter().flat_map(|(_, text)| tests_in(text)).collect();
    let named = names_in_tables(&document);
    assert!(named.len() > 50, "the tables were not understood");
    let missing: Vec<_> = named.difference(&tests).collect();
    assert!(missing.is_empty(), "docs/requirements.md names tests that do not exist:\n{}", lines(missing));
    let planted = names_in_tables("| R-1 | x | `no_such_test` |\n| R-2 | a `word` | `bench idle` |");
    assert_eq!(planted.difference(&tests).collect::<Vec<_>>(), ["no_such_test"]);
}

fn is_this_file(path: &str) -> bool {
    path == "crates/server/tests/walls.rs"
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace's directory")
}

/// Every Rust source of the workspace by its path from the root.
fn sources() -> Vec<(String, String)> {
    let root = workspace();
    let mut paths = Vec::new();
    collect(&root.join("crates"), &mut paths);
    assert!(paths.len() > 50, "the sources were not found");
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).expect("a source is text"))
    };
    paths.into_iter().map(read).collect()
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// The server's sources by their path from `src`.
fn server_sources() -> Vec<(String, String)> {
    let inside =
        |(path, text): (String, String)| Some((path.strip_prefix("crates/server/src/")?.to_owned(), text));
    sources().into_iter().filter_map(inside).collect()
}

fn lines<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| format!("  {item}\n")).collect()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// `FILE uses MODULE (…)` for each file and module above it.
fn upward_uses(sources: &[(String, String)]) -> Vec<String> {
    let mut found = BTreeMap::new();
    for (path, text) in sources {
        let parts: Vec<_> = path.trim_end_matches(".rs").split('/').collect();
        let Some(own) = layer(parts[0]) else {
            found.insert((path, String::new()), format!("{path} has no place in LAYERS"));
            continue;
        };
        for module in modules_used(&parse(text).code, parts.len()) {
            // What is no module of the root is a macro or an item of it.
            let Some(used) = layer(&module) else { continue };
            if used < own {
                found.insert((path, module.clone()), format!("{path} uses {module} (above it)"));
            }
        }
    }
    found.into_values().collect()
}

/// The root's modules that a file reaches by `crate::` or by as many `super::` as it lies deep.
fn modules_used(code: &str, depth: usize) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for prefix in ["crate::".to_owned(), "super::".repeat(depth)] {
        for (at, _) in code.match_indices(&prefix) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let rest = &code[at + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(group) => used.extend(heads_of_group(group)),
                None => used.extend(identifier(rest)),
            }
        }
    }
    used
}

/// `{a::b, c::{d, e}, f}` → a, c, f.
fn heads_of_group(group: &str) -> Vec<String> {
    let (mut heads, mut depth, mut at_head) = (Vec::new(), 0_usize, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_head = true,
            c if at_head && !c.is_whitespace() => {
                heads.extend(identifier(&group[at..]));
                at_head = false;
            }
            _ => {}
        }
    }
    heads
}

fn identifier(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

fn client_uses(sources: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources {
        if path.starts_with("verbs") || path == "main.rs" {
            continue;
        }
        let code = parse(text).code;
        let used = VERBS_ONLY.iter().filter(|name| code.contains(**name));
        found.extend(used.map(|name| format!("{path} uses {name}")));
    }
    found
}

/// Crates of the workspace under `[dependencies]` that a crate may not have there.
fn foreign_dependencies(name: &str, manifest: &str) -> Vec<String> {
    let allowed = CRATES.iter().find(|(other, _)| *other == name).map_or(&[][..], |(_, allowed)| allowed);
    let mut section = "";
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line.trim();
        } else if section == "[dependencies]" || section == "[build-dependencies]" {
            let Some(rest) = line.trim().strip_prefix("stonechat-") else { continue };
            let dependency = identifier(rest).unwrap_or_default();
            if !allowed.contains(&dependency.as_str()) {
                found.push(format!("{name} depends on {dependency}"));
            }
        }
    }
    found
}

/// String literals that look like statements.
fn sql_in(text: &str) -> Vec<String> {
    let is_sql = |literal: &String| {
        let text = literal.to_lowercase();
        let begins = |start: &str, then: &str| {
            text.find(start).is_some_and(|at| text[at + start.len()..].contains(then))
        };
        let table = text.split("select ").nth(1).is_some_and(|rest| {
            // `from` as a word of its own, and something of SQL around it: sentences also select from things.
            rest.contains(" from ") && (text.trim_start().starts_with("select ") || text.contains('('))
        });
        table || begins("insert into ", "") || begins("update ", " set ") || begins("delete from ", "")
    };
    parse(text).literals.into_iter().filter(is_sql).collect()
}

fn environment_in(text: &str) -> Vec<&'static str> {
    let code = parse(text).code;
    let reads = |name: &&&'static str| {
        code.match_indices(&format!("env::{name}")).any(|(at, matched)| {
            let next = code[at + matched.len()..].chars().next();
            !next.is_some_and(|c| c.is_alphanumeric() || c == '_')
        })
    };
    ENVIRONMENT.iter().filter(reads).copied().collect()
}

fn unreadable(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push(format!("{path} does not open with //!"));
    }
    let count = text.lines().count();
    if count > MAX_LINES {
        found.push(format!("{path} has {count} lines, more than {MAX_LINES}"));
    }
    found
}

/// Files that the module above them does not declare. Crates' roots and the tests that cargo finds need no one.
fn undeclared(sources: &[(String, String)]) -> Vec<String> {
    let code: BTreeMap<&str, String> =
        sources.iter().map(|(path, text)| (path.as_str(), parse(text).code)).collect();
    let declares = |parent: &str, name: &str| {
        let declaration = format!("mod {name};");
        code.get(parent).is_some_and(|code| code.contains(&declaration))
    };
    let mut found = Vec::new();
    for path in code.keys() {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let name = file.trim_end_matches(".rs");
        let is_root = matches!(name, "lib" | "main" | "build") || folder.ends_with("/tests");
        let parents = [format!("{folder}.rs"), format!("{folder}/lib.rs"), format!("{folder}/main.rs")];
        if !is_root && !parents.iter().any(|parent| declares(parent, name)) {
            found.push((*path).to_owned());
        }
    }
    found
}

/// Names of functions that carry a test attribute, those inside `proptest!` included.
fn tests_in(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if is_test && !line.starts_with("#[") && !line.starts_with("//") {
            let name = line.split("fn ").nth(1).and_then(identifier);
            names.extend(name);
            is_test = false;
        }
    }
    names
}

/// What stands between backquotes in the last column of tables and looks like a function: words joined by `_`.
fn names_in_tables(document: &str) -> BTreeSet<String> {
    let rows = document.lines().filter(|line| line.starts_with("| "));
    let shown = rows.filter_map(|row| row.trim_end().trim_end_matches('|').rsplit('|').next());
    let quoted = shown.flat_map(|column| column.split('`').skip(1).step_by(2));
    let is_name =
        |text: &&str| text.contains('_') && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    quoted.filter(is_name).map(str::to_owned).collect()
}
