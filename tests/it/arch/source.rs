//! Rust source as the rules read it: without comments, without what strings say, without tests.

/// A line of code with its number from 1.
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) code: String,
}

/// Whether a file holds only tests.
pub(super) fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.ends_with("/testing.rs")
        || path.ends_with("_tests.rs")
        || path.contains("/tests/")
}

/// The lines that are code outside tests. Comments and the insides of strings are left out.
pub(super) fn code(path: &str, text: &str) -> Vec<Line> {
    if is_test_file(path) {
        return Vec::new();
    }
    let plain = without_strings_and_comments(text);
    let mut lines = Vec::new();
    let mut test_next = false;
    let mut depth = 0_i64;
    let mut inside_test: Option<i64> = None;
    for (index, line) in plain.lines().enumerate() {
        let before = depth;
        depth += line.matches('{').count() as i64 - line.matches('}').count() as i64;
        if let Some(outer) = inside_test {
            if depth <= outer && line.contains('}') {
                inside_test = None;
            }
            continue;
        }
        if line.contains("#[cfg(test)]") || line.contains("#[test]") {
            test_next = true;
            continue;
        }
        if test_next {
            if line.trim_start().starts_with("#[") || line.trim().is_empty() {
                continue;
            }
            if depth > before {
                inside_test = Some(before);
                test_next = false;
            } else if line.contains(';') || line.contains('}') {
                test_next = false;
            }
            continue;
        }
        lines.push(Line {
            number: index + 1,
            code: line.to_owned(),
        });
    }
    lines
}

/// Strings become `""`, comments blanks; lines stay where they are.
fn without_strings_and_comments(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    while i < chars.len() {
        let c = chars[i];
        let word_before = i > 0 && (chars[i - 1].is_alphanumeric() || chars[i - 1] == '_');
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && chars[i] != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            while i < chars.len() && !(chars[i] == '*' && at(i + 1) == '/') {
                if chars[i] == '\n' {
                    out.push('\n');
                }
                i += 1;
            }
            i += 2;
        } else if c == 'r' && !word_before && (at(i + 1) == '"' || (at(i + 1) == '#' && matches!(at(i + 2), '"' | '#')))
        {
            let mut hashes = 0;
            i += 1;
            while at(i) == '#' {
                hashes += 1;
                i += 1;
            }
            i += 1;
            out.push_str("\"\"");
            while i < chars.len() {
                if chars[i] == '"' && (1..=hashes).all(|n| at(i + n) == '#') {
                    i += 1 + hashes;
                    break;
                }
                if chars[i] == '\n' {
                    out.push('\n');
                }
                i += 1;
            }
        } else if c == '"' {
            out.push_str("\"\"");
            i += 1;
            while i < chars.len() && chars[i] != '"' {
                if chars[i] == '\\' {
                    i += 1;
                }
                if at(i) == '\n' {
                    out.push('\n');
                }
                i += 1;
            }
            i += 1;
        } else if c == '\'' && at(i + 1) == '\\' {
            // An escaped character literal.
            i += 2;
            while i < chars.len() && chars[i] != '\'' {
                i += 1;
            }
            i += 1;
            out.push_str("' '");
        } else if c == '\'' && at(i + 2) == '\'' {
            i += 3;
            out.push_str("' '");
        } else {
            out.push(c);
            i += 1;
        }
    }
    out
}

/// The module path of a file: `src/tui/model/log.rs` is `tui::model::log`.
pub(super) fn module_of(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    let inner = inner.trim_end_matches("/mod");
    if inner == "lib" {
        return Vec::new();
    }
    inner.split('/').map(str::to_owned).collect()
}

/// What a file's code names in this crate: module paths from the crate's root, with their lines.
pub(super) fn arrows(path: &str, lines: &[Line]) -> Vec<(usize, Vec<String>)> {
    let module = module_of(path);
    let mut all = String::new();
    let mut starts = Vec::new();
    for line in lines {
        starts.push((all.len(), line.number));
        all.push_str(&line.code);
        all.push('\n');
    }
    let line_of = |at: usize| {
        starts
            .iter()
            .rev()
            .find(|(start, _)| *start <= at)
            .map_or(0, |(_, number)| *number)
    };
    let mut found = Vec::new();
    for (at, _) in all.match_indices("::") {
        let before = &all[..at];
        let word_start = before
            .rfind(|c: char| !(c.is_alphanumeric() || c == '_'))
            .map_or(0, |i| i + 1);
        let word = &before[word_start..];
        let mid_path = before[..word_start].ends_with("::");
        let root = match word {
            "crate" | "vigie" => Vec::new(),
            "super" if !mid_path => module.iter().take(module.len().saturating_sub(1)).cloned().collect(),
            _ => continue,
        };
        if mid_path {
            continue;
        }
        let mut paths = Vec::new();
        expand(&all[at + 2..], root, &mut paths);
        found.extend(paths.into_iter().map(|path| (line_of(at), path)));
    }
    found
}

/// Follows a path, `{…}` included, as far as two names below the crate's root.
fn expand(rest: &str, mut so_far: Vec<String>, found: &mut Vec<Vec<String>>) {
    let rest = rest.trim_start();
    if let Some(inner) = rest.strip_prefix('{') {
        let mut depth = 0;
        let mut start = 0;
        for (i, c) in inner.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => {
                    expand_one(&inner[start..i], &so_far, found);
                    return;
                }
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand_one(&inner[start..i], &so_far, found);
                    start = i + 1;
                }
                _ => {}
            }
        }
        return;
    }
    let end = rest
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(rest.len());
    let name = &rest[..end];
    if name == "super" {
        so_far.pop();
    } else if !name.is_empty() {
        so_far.push(name.to_owned());
    }
    match rest[end..].strip_prefix("::") {
        Some(more) if name == "super" || so_far.len() < 3 => expand(more, so_far, found),
        _ => found.push(so_far),
    }
}

fn expand_one(part: &str, so_far: &[String], found: &mut Vec<Vec<String>>) {
    if !part.trim().is_empty() {
        expand(part, so_far.to_vec(), found);
    }
}
