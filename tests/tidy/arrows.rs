//! Who uses whom in `src/`: every `use`, and every path that begins with `crate`, `super`, `self` or a module's name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::Visit;

/// A module by the names that lead to it: `["memory", "read", "search"]`.
pub type Module = Vec<String>;

/// The modules of the crate and the arrows between them.
pub struct Arrows {
    /// Each module and its file.
    pub files: BTreeMap<Module, PathBuf>,
    /// Where a file uses a module of another file, with the path as it stands there.
    pub uses: Vec<Use>,
}

/// One use of a module by another.
pub struct Use {
    pub from: Module,
    pub to: Module,
    /// As it is written.
    pub path: String,
}

impl Arrows {
    /// Reads the source of the library under `src`; the command line, a program of its own, is left out.
    pub fn of(src: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut syntax = BTreeMap::new();
        for entry in walkdir::WalkDir::new(src).into_iter().map(Result::unwrap) {
            let path = entry.path();
            let relative = path.strip_prefix(src).unwrap();
            let is_library = !relative.starts_with("cli") && relative != Path::new("main.rs");
            if is_library && path.extension().is_some_and(|e| e == "rs") {
                let module = module_of(relative);
                syntax.insert(module.clone(), syn::parse_file(&std::fs::read_to_string(path).unwrap()).unwrap());
                files.insert(module, path.to_path_buf());
            }
        }
        let mut all = Vec::new();
        let mut exports: BTreeMap<(Module, String), Vec<String>> = BTreeMap::new();
        for (module, file) in &syntax {
            let mut found = Paths { inner: Vec::new(), module, files: &files, uses: Vec::new(), exports: Vec::new() };
            found.visit_file(file);
            for (name, path) in found.exports {
                exports.insert((module.clone(), name), path);
            }
            all.extend(found.uses.into_iter().map(|path| (module.clone(), path)));
        }
        let known = Known { files: &files, exports: &exports };
        let mut uses = Vec::new();
        for (from, path) in all {
            let to = known.target(&path);
            if to != from && !to.is_empty() {
                uses.push(Use { from, to, path: path.join("::") });
            }
        }
        Self { files, uses }
    }

    /// Files that use each other in a circle; a module that lists its children (`mod.rs`) is not one of their users by that.
    pub fn circles(&self) -> Vec<Vec<Module>> {
        let mut after: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
        for Use { from, to, .. } in &self.uses {
            if !self.lists_children(from) {
                after.entry(from).or_default().insert(to);
            }
        }
        let reach: BTreeMap<&Module, BTreeSet<&Module>> =
            self.files.keys().map(|module| (module, reachable(&after, module))).collect();
        let mut circles: Vec<Vec<Module>> = Vec::new();
        for module in self.files.keys().filter(|module| reach[*module].contains(*module)) {
            let with = |circle: &Vec<Module>| reach[module].contains(&circle[0]) && reach[&circle[0]].contains(module);
            match circles.iter_mut().find(|circle| with(circle)) {
                Some(circle) => circle.push(module.clone()),
                None => circles.push(vec![module.clone()]),
            }
        }
        circles
    }

    fn lists_children(&self, module: &Module) -> bool {
        let file = self.files[module].file_name().unwrap();
        file == "mod.rs" || file == "lib.rs" || file == "internals.rs"
    }
}

fn reachable<'a>(after: &BTreeMap<&'a Module, BTreeSet<&'a Module>>, from: &'a Module) -> BTreeSet<&'a Module> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(module) = open.pop() {
        for next in after.get(module).into_iter().flatten() {
            if reached.insert(*next) {
                open.push(*next);
            }
        }
    }
    reached
}

fn module_of(relative: &Path) -> Module {
    let mut names: Module = relative.with_extension("").iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    if names.last().is_some_and(|last| last == "mod" || last == "lib") {
        names.pop();
    }
    names
}

/// What leads from a path to the module that it ends in.
struct Known<'a> {
    files: &'a BTreeMap<Module, PathBuf>,
    /// What a module exports of others: module, name, and the whole path behind it.
    exports: &'a BTreeMap<(Module, String), Vec<String>>,
}

impl Known<'_> {
    /// The module that a path from the root of the crate ends in, behind all re-exports.
    fn target(&self, path: &[String]) -> Module {
        let mut path = path.to_vec();
        // As many re-exports as follow each other anywhere; a limit, so that a circle of them ends.
        for _ in 0..8 {
            let module = self.longest(&path);
            let Some(name) = path.get(module.len()) else { return module };
            match self.exports.get(&(module.clone(), name.clone())) {
                Some(behind) => path = [&behind[..], &path[module.len() + 1..]].concat(),
                None => return module,
            }
        }
        self.longest(&path)
    }

    fn longest(&self, path: &[String]) -> Module {
        let is_module = |len: &usize| self.files.contains_key(&path[..*len]);
        (0..=path.len()).rev().find(is_module).map(|len| path[..len].to_vec()).unwrap_or_default()
    }
}

/// Gathers the paths of one file, made whole from the root of the crate.
struct Paths<'a> {
    /// Modules inside the file that are being read.
    inner: Vec<String>,
    module: &'a Module,
    files: &'a BTreeMap<Module, PathBuf>,
    uses: Vec<Vec<String>>,
    /// Names that the file exports, with the paths behind them.
    exports: Vec<(String, Vec<String>)>,
}

impl Paths<'_> {
    /// A path from the root of the crate; `None` for one that leads out of the crate or into the file itself.
    fn whole(&self, path: &[String]) -> Option<Vec<String>> {
        let here = || [&self.module[..], &self.inner[..]].concat();
        let first = path.first()?;
        let mut start = match first.as_str() {
            "crate" => Vec::new(),
            "self" => here(),
            "super" => {
                let supers = path.iter().take_while(|name| *name == "super").count();
                let mut start = here();
                start.truncate(start.len().checked_sub(supers)?);
                return Some([start, path[supers..].to_vec()].concat());
            }
            // A module beside which this one names its child.
            child => {
                let named = [&self.module[..], &[child.to_owned()]].concat();
                return self.files.contains_key(&named).then(|| [&self.module[..], path].concat());
            }
        };
        start.extend_from_slice(&path[1..]);
        Some(start)
    }

    fn tree(&mut self, before: &[String], tree: &syn::UseTree, is_export: bool) {
        match tree {
            syn::UseTree::Path(path) => {
                self.tree(&[before, &[path.ident.to_string()]].concat(), &path.tree, is_export);
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(before, tree, is_export)),
            syn::UseTree::Glob(_) => self.note(before, None),
            syn::UseTree::Name(name) if name.ident == "self" => self.note(before, None),
            syn::UseTree::Name(name) => {
                let name = name.ident.to_string();
                self.note(&[before, std::slice::from_ref(&name)].concat(), is_export.then_some(name));
            }
            syn::UseTree::Rename(rename) => {
                let path = [before, &[rename.ident.to_string()]].concat();
                self.note(&path, is_export.then(|| rename.rename.to_string()));
            }
        }
    }

    fn note(&mut self, path: &[String], exported: Option<String>) {
        let Some(whole) = self.whole(path) else { return };
        if let Some(name) = exported {
            self.exports.push((name, whole.clone()));
        }
        self.uses.push(whole);
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_some() {
            self.inner.push(item.ident.to_string());
            syn::visit::visit_item_mod(self, item);
            self.inner.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_export = !matches!(item.vis, syn::Visibility::Inherited);
        self.tree(&[], &item.tree, is_export);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.len() > 1 {
            self.note(&names, None);
        }
        syn::visit::visit_path(self, path);
    }
}
