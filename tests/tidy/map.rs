//! The map of the rooms, as ARCHITECTURE.md draws it.

use crate::arrows::Module;

/// A room and the rooms that it may use.
pub struct Room {
    /// Its files: the modules in them begin with these names.
    pub modules: Vec<Module>,
    /// The names in the column "may use".
    pub may_use: Vec<String>,
    pub is_ground: bool,
}

/// The tables whose heads are `room | holds | may use`.
pub fn rooms(map: &str) -> Vec<Room> {
    let rows = map.lines().filter(|line| line.starts_with("| `src/"));
    let room = |row: &str| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [names, holds, may_use] = cells[..] else { panic!("a room of {} cells: {row}", cells.len()) };
        Room {
            modules: quoted(names).iter().map(|name| module(name)).collect(),
            may_use: quoted(may_use).into_iter().chain(may_use.contains("*ground*").then(|| "ground".into())).collect(),
            is_ground: holds.starts_with("*ground*"),
        }
    };
    rows.map(room).collect()
}

/// The words in backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// `src/memory/read/` as the beginning of the modules in it.
fn module(name: &str) -> Module {
    let name = name.trim_start_matches("src/").trim_end_matches('/').trim_end_matches(".rs");
    name.split('/').map(str::to_owned).collect()
}

impl Room {
    /// How long the name is with which it claims a module; 0 for one of another room.
    pub fn claims(&self, of: &Module) -> usize {
        self.modules.iter().filter(|room| of.starts_with(room)).map(Vec::len).max().unwrap_or(0)
    }

    /// Whether the map has an arrow to `other`.
    pub fn may_use(&self, other: &Self) -> bool {
        let is_named = |module: &Module| self.may_use.iter().any(|name| module.starts_with(&self::module(name)));
        other.is_ground && self.may_use.iter().any(|name| name == "ground") || other.modules.iter().any(is_named)
    }
}

/// The room that a module belongs to.
pub fn room_of<'a>(rooms: &'a [Room], module: &Module) -> Option<&'a Room> {
    rooms.iter().max_by_key(|room| room.claims(module)).filter(|room| room.claims(module) > 0)
}
