//! Which file of `src` imports which other file, read from the source with `syn`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::Visit;
use syn::{Attribute, Item, UseTree, Visibility};

/// A file of `src`.
pub struct SourceFile {
    /// The path from `src` on, with slashes.
    pub path: String,
    /// The module path: empty for `lib.rs`.
    module: Vec<String>,
    /// Imports: whether they are public, the path, and the name they bind.
    uses: Vec<(bool, Vec<String>, String)>,
    /// Paths of at least two segments in the code outside of imports.
    paths: Vec<Vec<String>>,
}

/// All files of a source tree, without test modules.
pub struct SourceTree {
    pub files: Vec<SourceFile>,
    by_module: BTreeMap<Vec<String>, usize>,
}

impl SourceTree {
    /// Reads the files of this crate.
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut paths = Vec::new();
        collect(&root, &mut paths);
        Self::parse(paths.into_iter().map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            (name.to_owned(), std::fs::read_to_string(&path).unwrap())
        }))
    }

    /// Parses files given by path and text.
    pub fn parse(sources: impl IntoIterator<Item = (String, String)>) -> Self {
        let files: Vec<SourceFile> = sources
            .into_iter()
            .filter(|(path, _)| !is_test_file(path))
            .map(|(path, text)| SourceFile::parse(path, &text))
            .collect();
        let by_module = files
            .iter()
            .enumerate()
            .map(|(index, file)| (file.module.clone(), index))
            .collect();
        Self { files, by_module }
    }

    /// The files that each file imports. A re-export resolves to the file that defines the item, and a `mod.rs` does not
    /// import what it re-exports.
    pub fn imports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        self.files
            .iter()
            .map(|file| (file.path.as_str(), self.imports_of(file)))
            .collect()
    }

    fn imports_of(&self, file: &SourceFile) -> BTreeSet<&str> {
        let is_module_root = file.path.ends_with("mod.rs") || file.path == "lib.rs";
        let mut targets = Vec::new();
        let mut local_modules = BTreeMap::new();
        for (is_public, path, name) in &file.uses {
            let Some(path) = self.absolute(file, path) else {
                continue;
            };
            if self.by_module.contains_key(&path) {
                local_modules.insert(name.clone(), path.clone());
            }
            if !(*is_public && is_module_root) {
                targets.push(path);
            }
        }
        for path in &file.paths {
            if let Some(module) = local_modules.get(&path[0]) {
                targets.push([module.as_slice(), &path[1..]].concat());
            } else if let Some(path) = self.absolute(file, path) {
                targets.push(path);
            }
        }
        targets
            .iter()
            .filter_map(|path| self.resolve(path, 0))
            .map(|index| self.files[index].path.as_str())
            .filter(|path| *path != file.path && *path != "lib.rs")
            .collect()
    }

    /// The path from the crate root, if it is a path inside this crate.
    fn absolute(&self, file: &SourceFile, path: &[String]) -> Option<Vec<String>> {
        match path.first()?.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([file.module.as_slice(), &path[1..]].concat()),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                let parent = &file.module[..file.module.len().checked_sub(ups)?];
                Some([parent, &path[ups..]].concat())
            }
            first => {
                let child = [file.module.as_slice(), &[first.to_owned()]].concat();
                let is_child = self.by_module.contains_key(&child);
                is_child.then(|| [file.module.as_slice(), path].concat())
            }
        }
    }

    /// The file that defines what the path names.
    fn resolve(&self, path: &[String], depth: usize) -> Option<usize> {
        let modules = (0..=path.len())
            .rev()
            .find(|length| self.by_module.contains_key(&path[..*length]))?;
        let index = self.by_module[&path[..modules]];
        let file = &self.files[index];
        let reexport = path.get(modules).and_then(|item| {
            let is_match =
                |(is_public, _, name): &&(bool, Vec<String>, String)| *is_public && name == item;
            file.uses.iter().find(is_match)
        });
        let target = reexport
            .filter(|_| depth < 8)
            .and_then(|(_, path, _)| self.absolute(file, path))
            .and_then(|path| self.resolve(&path, depth + 1));
        target.or(Some(index))
    }
}

impl SourceFile {
    fn parse(path: String, text: &str) -> Self {
        let mut module: Vec<String> = path
            .trim_end_matches(".rs")
            .split('/')
            .map(str::to_owned)
            .collect();
        if module.last().is_some_and(|name| name == "mod") {
            module.pop();
        }
        if path == "lib.rs" {
            module.clear();
        }
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut collector = PathCollector::default();
        for item in &syntax.items {
            collector.visit_item(item);
        }
        Self {
            path,
            module,
            uses: collector.uses,
            paths: collector.paths,
        }
    }
}

#[derive(Default)]
struct PathCollector {
    uses: Vec<(bool, Vec<String>, String)>,
    paths: Vec<Vec<String>>,
}

impl PathCollector {
    fn add_use(&mut self, is_public: bool, tree: &UseTree, prefix: &[String]) {
        let join = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_use(is_public, &path.tree, &join(&path.ident)),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(is_public, tree, prefix);
                }
            }
            UseTree::Name(name) if name.ident == "self" => {
                let bound = prefix.last().cloned().unwrap_or_default();
                self.uses.push((is_public, prefix.to_vec(), bound));
            }
            UseTree::Name(name) => {
                let bound = name.ident.to_string();
                self.uses.push((is_public, join(&name.ident), bound));
            }
            UseTree::Rename(rename) => {
                let path = if rename.ident == "self" {
                    prefix.to_vec()
                } else {
                    join(&rename.ident)
                };
                self.uses.push((is_public, path, rename.rename.to_string()));
            }
            UseTree::Glob(_) => self.uses.push((is_public, prefix.to_vec(), String::new())),
        }
    }
}

impl<'ast> Visit<'ast> for PathCollector {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Mod(module) if is_test(&module.attrs) => {}
            Item::Use(item) if is_test(&item.attrs) => {}
            Item::Use(item) => {
                let is_public = !matches!(item.vis, Visibility::Inherited);
                self.add_use(is_public, &item.tree, &[]);
            }
            _ => syn::visit::visit_item(self, item),
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let segments = path.segments.iter();
            self.paths
                .push(segments.map(|part| part.ident.to_string()).collect());
        }
        syn::visit::visit_path(self, path);
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|ident| ident == "test")
    })
}

fn is_test_file(path: &str) -> bool {
    path.split('/')
        .any(|part| part == "tests" || part == "tests.rs")
        || path == "main.rs"
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}
