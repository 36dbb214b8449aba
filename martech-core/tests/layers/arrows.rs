//! Reads from source text which modules use which. The layer tests of the library and of the server share this file.
//!
//! An arrow leads from a module to each module that a path in its code names (`use` or inline, `crate::`, `self::` or
//! `super::`). Comments, literals and code for tests do not count, nor does a module that re-exports its own children.
//! Paths inside an inline `mod { }` are read as if they were in the file's module.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

/// Source text by module, such as `lake::files`. The root of the crate is the empty text.
pub(crate) type Sources = BTreeMap<String, String>;

/// Pairs of a module and a module that it uses.
pub(crate) type Arrows = BTreeSet<(String, String)>;

/// Reads all modules below a `src` folder, except tests.
pub(crate) fn read(src: &Path) -> io::Result<Sources> {
    let (mut sources, mut dirs) = (Sources::new(), vec![src.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.file_stem().is_some_and(|stem| stem == "tests") {
                continue;
            }
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(src).map_err(io::Error::other)?.with_extension("");
                let mut segments: Vec<_> = relative.iter().map(|segment| segment.to_string_lossy()).collect();
                segments.pop_if(|last| matches!(&**last, "mod" | "lib" | "main"));
                sources.insert(segments.join("::"), fs::read_to_string(&path)?);
            }
        }
    }
    Ok(sources)
}

/// Returns the arrows between different modules.
pub(crate) fn arrows(sources: &Sources) -> Arrows {
    let mut arrows = Arrows::new();
    for (module, text) in sources {
        let tokens = without_tests(tokens(text));
        for Named { path, reexported } in paths(&tokens) {
            let Some(target) = resolve(module, &path, sources).filter(|target| target != module) else { continue };
            let is_child =
                target.strip_prefix(&**module).is_some_and(|rest| module.is_empty() || rest.starts_with("::"));
            if !(reexported && is_child) {
                arrows.insert((module.clone(), target));
            }
        }
    }
    arrows
}

/// Returns a line for each arrow that leads to a higher layer, or to another module of the same layer. `layers` lists
/// the layers from the lowest to the highest. Each is a list of modules; the most specific name applies to a module.
/// The root of the crate is above all of them.
pub(crate) fn violations(arrows: &Arrows, layers: &[&str]) -> Vec<String> {
    let layer = |module: &str| {
        let named = layers.iter().enumerate().flat_map(|(rank, names)| names.split(' ').map(move |name| (rank, name)));
        let holds =
            |name: &str| module.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        named.filter(|(_, name)| holds(name)).max_by_key(|(_, name)| name.len())
    };
    let mut lines = BTreeSet::new();
    for (from, to) in arrows.iter().filter(|(from, _)| !from.is_empty()) {
        match (layer(from), layer(to)) {
            (None, _) => _ = lines.insert(format!("{from} is in no layer")),
            (_, None) => _ = lines.insert(format!("{from} uses {}, which is in no layer", name(to))),
            (Some((low, own)), Some((high, other))) if low < high || (low == high && own != other) => {
                lines.insert(format!("{from} uses {to}, which is not below it"));
            }
            _ => {}
        }
    }
    lines.into_iter().collect()
}

/// Returns groups of modules that use each other in a circle.
pub(crate) fn circles(arrows: &Arrows) -> Vec<Vec<String>> {
    let mut uses = BTreeMap::<&str, Vec<&str>>::new();
    arrows.iter().for_each(|(from, to)| uses.entry(from).or_default().push(to));
    let reach: BTreeMap<&str, BTreeSet<&str>> = uses.keys().map(|module| (*module, reached(module, &uses))).collect();
    let reaches = |from: &str, to: &str| reach.get(from).is_some_and(|reached| reached.contains(to));
    let mut circles = BTreeSet::new();
    for module in reach.keys().filter(|module| reaches(module, module)) {
        let members = reach.keys().filter(|other| reaches(module, other) && reaches(other, module));
        circles.insert(members.map(|member| name(member).to_owned()).collect::<Vec<_>>());
    }
    circles.into_iter().collect()
}

fn reached<'a>(from: &'a str, uses: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(module) = open.pop() {
        open.extend(uses.get(module).into_iter().flatten().filter(|to| reached.insert(**to)));
    }
    reached
}

fn name(module: &str) -> &str {
    if module.is_empty() { "the crate root" } else { module }
}

/// Splits code into words, `::` and single characters. Leaves out comments and literals.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let (mut tokens, mut i) = (Vec::new(), 0);
    while i < chars.len() {
        match chars[i] {
            '/' if at(i + 1) == '/' => i += chars[i..].iter().take_while(|c| **c != '\n').count(),
            '"' => i = end_of_text(&chars, i),
            // A character, or the beginning of a lifetime.
            '\'' if at(i + 1) == '\\' => {
                i += 3 + chars[(i + 3).min(chars.len())..].iter().take_while(|c| **c != '\'').count() + 1
            }
            '\'' if at(i + 2) == '\'' => i += 3,
            'r' if matches!(at(i + 1), '"' | '#') && raw_hashes(&chars, i).is_some() => {
                let hashes = raw_hashes(&chars, i).unwrap_or_default();
                let end: Vec<char> = ['"'].into_iter().chain(std::iter::repeat_n('#', hashes)).collect();
                let body = i + hashes + 2;
                let length =
                    chars[body..].windows(end.len()).position(|window| window == end).unwrap_or(chars.len() - body);
                i = (body + length + end.len()).min(chars.len());
            }
            c if c.is_alphanumeric() || c == '_' => {
                let word: String = chars[i..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
                i += word.chars().count();
                tokens.push(word);
            }
            ':' if at(i + 1) == ':' => {
                tokens.push("::".to_owned());
                i += 2;
            }
            c if c.is_whitespace() => i += 1,
            c => {
                tokens.push(c.to_string());
                i += 1;
            }
        }
    }
    tokens
}

/// Returns the position after the text literal that begins at `start`.
fn end_of_text(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// Returns the number of `#` if a raw text literal begins at the `r` at `start`.
fn raw_hashes(chars: &[char], start: usize) -> Option<usize> {
    let is_word =
        start > 0 && (chars[start - 1].is_alphanumeric() || chars[start - 1] == '_') && chars[start - 1] != 'b';
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    (!is_word && chars.get(start + 1 + hashes) == Some(&'"')).then_some(hashes)
}

/// Removes items behind a `#[cfg(test)]`, or another `cfg` that names `test`.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let (mut kept, mut i) = (Vec::new(), 0);
    while i < tokens.len() {
        let is_cfg = tokens[i..].iter().take(4).eq(["#", "[", "cfg", "("]);
        if !is_cfg {
            kept.push(tokens[i].clone());
            i += 1;
            continue;
        }
        let end = i + tokens[i..].iter().position(|token| token == "]").unwrap_or(tokens.len() - i - 1) + 1;
        if !tokens[i..end].iter().any(|token| token == "test") {
            i = end;
            continue;
        }
        i = end;
        let mut depth = 0;
        while i < tokens.len() {
            let token = &*tokens[i];
            depth += i32::from(token == "{") - i32::from(token == "}");
            i += 1;
            if depth == 0 && matches!(token, ";" | "}") {
                break;
            }
        }
    }
    kept
}

/// A path in code.
struct Named {
    path: Vec<String>,
    /// Whether a `pub use` names it.
    reexported: bool,
}

/// Returns the paths that begin with `crate`, `self` or `super`, and those that a `use` names. Trees are written out.
fn paths(tokens: &[String]) -> Vec<Named> {
    let mut all = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let before = |distance: usize| i.checked_sub(distance).map_or("", |before| &*tokens[before]);
        let is_use = before(1) == "use";
        let starts = matches!(&*tokens[i], "crate" | "self" | "super") || is_use;
        let is_path = starts && tokens.get(i + 1).is_some_and(|next| next == "::") && !matches!(before(1), "::" | "in");
        let reexported = is_use && matches!(before(2), "pub" | ")");
        if is_path {
            let mut paths = Vec::new();
            i = tree(tokens, i, &[], &mut paths);
            all.extend(paths.into_iter().map(|path| Named { path, reexported }));
        } else {
            i += 1;
        }
    }
    all
}

/// Reads a path or a tree of paths at `i`. Returns the position behind it.
fn tree(tokens: &[String], mut i: usize, prefix: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match tokens.get(i).map(String::as_str) {
            Some("{") => {
                i += 1;
                while tokens.get(i).is_some_and(|token| token != "}") {
                    i = if tokens[i] == "," { i + 1 } else { tree(tokens, i, &path, paths) };
                }
                return i + 1;
            }
            Some(word) if word.starts_with(|c: char| c.is_alphabetic() || c == '_') || word == "*" => {
                path.push(word.to_owned());
                i += 1;
            }
            _ => break,
        }
        if tokens.get(i).is_none_or(|token| token != "::") {
            break;
        }
        i += 1;
    }
    paths.push(path);
    // The new name of `path as name` says nothing about modules.
    if tokens.get(i).is_some_and(|token| token == "as") { i + 2 } else { i }
}

/// Returns the module that a path in `module` leads into. Returns `None` if it leads into another crate.
fn resolve(module: &str, path: &[String], sources: &Sources) -> Option<String> {
    let mut segments: Vec<&str> = module.split("::").filter(|segment| !segment.is_empty()).collect();
    let supers = path.iter().take_while(|segment| *segment == "super").count();
    let rest = match path.first()?.as_str() {
        "crate" => {
            segments.clear();
            &path[1..]
        }
        "self" => &path[1..],
        "super" => {
            segments.truncate(segments.len().saturating_sub(supers));
            &path[supers..]
        }
        child => {
            let is_child = sources.contains_key(&[&segments[..], &[child]].concat().join("::"));
            if is_child { path } else { return None }
        }
    };
    segments.extend(rest.iter().map(String::as_str));
    while !sources.contains_key(&segments.join("::")) {
        segments.pop()?;
    }
    Some(segments.join("::"))
}
