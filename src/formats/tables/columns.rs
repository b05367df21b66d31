//! The columns of a table, whatever types their values have, and the texts and vectors in them.

use std::borrow::Cow;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Fields};

/// A column, which is no struct: of a struct each field is one.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// Its name, behind those of the structs that it is in.
    pub path: String,
    pub kind: Kind,
    /// The place, among the columns of the file, of the one that it is in.
    pub top: usize,
    /// The places of what it consists of, among all that hold values.
    pub leaves: Range<usize>,
    pub(super) names: Vec<String>,
    data_type: DataType,
}

/// What a column can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A text in each row.
    Text,
    /// A whole number in each row.
    Number,
    /// Texts in each row.
    Texts,
    /// Numbers with a point in each row.
    Vector,
    Other,
}

/// All columns of a file with these fields.
pub(super) fn of(fields: &Fields) -> Vec<Column> {
    let mut columns = Vec::new();
    let mut leaf = 0;
    for (top, field) in fields.iter().enumerate() {
        walk(top, &mut vec![field.name().clone()], field.data_type(), &mut leaf, &mut columns);
    }
    columns
}

fn walk(top: usize, names: &mut Vec<String>, data_type: &DataType, leaf: &mut usize, columns: &mut Vec<Column>) {
    if let DataType::Struct(fields) = data_type {
        for field in fields {
            names.push(field.name().clone());
            walk(top, names, field.data_type(), leaf, columns);
            names.pop();
        }
        return;
    }
    let leaves = *leaf..*leaf + leaves(data_type);
    *leaf = leaves.end;
    let (path, kind) = (names.join("."), kind(data_type));
    columns.push(Column { path, kind, top, leaves, names: names.clone(), data_type: data_type.clone() });
}

/// Of how many columns that hold values one consists.
fn leaves(data_type: &DataType) -> usize {
    match data_type {
        DataType::Struct(fields) => fields.iter().map(|field| leaves(field.data_type())).sum(),
        other => item(other).map_or(1, leaves),
    }
}

/// The type of the members of a list.
fn item(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _) => Some(item.data_type()),
        _ => None,
    }
}

fn kind(data_type: &DataType) -> Kind {
    use DataType::{Binary, BinaryView, Dictionary, LargeBinary, LargeUtf8, Utf8, Utf8View};
    match data_type {
        Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView => Kind::Text,
        Dictionary(_, values) if kind(values) == Kind::Text => Kind::Text,
        _ if data_type.is_integer() => Kind::Number,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            match kind(item.data_type()) {
                Kind::Text => Kind::Texts,
                _ if is_floating(item.data_type()) => Kind::Vector,
                _ => Kind::Other,
            }
        }
        _ => Kind::Other,
    }
}

fn is_floating(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float16 | DataType::Float32 | DataType::Float64)
}

impl Column {
    /// True for bytes that are not said to be text.
    pub(crate) fn is_bytes(&self) -> bool {
        self.describe() == "bytes"
    }

    /// Its type, for people.
    pub(crate) fn describe(&self) -> String {
        words(&self.data_type)
    }
}

fn words(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "bytes".into(),
        DataType::Dictionary(_, values) => words(values),
        DataType::FixedSizeList(item, length) => format!("list of {length} {}", words(item.data_type())),
        DataType::Map(..) => "map".into(),
        DataType::Struct(_) => "struct".into(),
        other => match item(other) {
            Some(item) => format!("list of {}", words(item)),
            None => other.to_string().to_ascii_lowercase(),
        },
    }
}

/// The values of a column in some rows.
pub(crate) struct Values {
    array: ArrayRef,
    /// Which of the structs that it is in are there.
    structs: Vec<NullBuffer>,
}

/// What a row has in place of a vector.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Nothing, or nothing in place of one of its numbers.
    Vector,
    /// A vector of another length.
    Length(usize),
}

impl Values {
    /// The values of `column`, which is one of those that were read.
    pub(crate) fn of(batch: &RecordBatch, column: &Column) -> Result<Self, String> {
        let lost = || format!("no column '{}' where it was announced", column.path);
        let (first, deeper) = column.names.split_first().ok_or_else(lost)?;
        let mut array = batch.column_by_name(first).ok_or_else(lost)?;
        let mut structs = Vec::new();
        for name in deeper {
            let inside = array.as_struct_opt().ok_or_else(lost)?;
            structs.extend(inside.nulls().cloned());
            array = inside.column_by_name(name).ok_or_else(lost)?;
        }
        Ok(Self { array: array.clone(), structs })
    }

    fn is_there(&self, row: usize) -> bool {
        self.structs.iter().all(|there| there.is_valid(row)) && self.array.is_valid(row)
    }

    /// The bytes of the text of a row, or the digits of its number.
    pub(crate) fn text(&self, row: usize) -> Option<Cow<'_, [u8]>> {
        self.is_there(row).then(|| text(&self.array, row)).flatten()
    }

    /// Calls `each` with every text of a row, be it one or a list.
    pub(crate) fn texts(&self, row: usize, mut each: impl FnMut(&[u8])) {
        if !self.is_there(row) {
            return;
        }
        match member(&self.array, row) {
            Some(list) => (0..list.len()).filter_map(|at| text(&list, at)).for_each(|text| each(&text)),
            None => text(&self.array, row).iter().for_each(|text| each(text)),
        }
    }

    /// Appends the vector of a row, which must have `dim` numbers, or says why it does not; then nothing is appended.
    pub(crate) fn vector(&self, row: usize, dim: usize, numbers: &mut Vec<f32>) -> Result<(), Missing> {
        let list = self.is_there(row).then(|| member(&self.array, row)).flatten().ok_or(Missing::Vector)?;
        if list.len() != dim {
            return Err(Missing::Length(list.len()));
        }
        if list.null_count() > 0 {
            return Err(Missing::Vector);
        }
        match list.data_type() {
            DataType::Float16 => numbers.extend(list.as_primitive::<Float16Type>().values().iter().map(|x| x.to_f32())),
            DataType::Float32 => numbers.extend_from_slice(list.as_primitive::<Float32Type>().values()),
            DataType::Float64 => numbers.extend(list.as_primitive::<Float64Type>().values().iter().map(|x| *x as f32)),
            _ => return Err(Missing::Vector),
        }
        Ok(())
    }

    /// How many numbers the vector of a row has; `None` where there is none.
    pub(crate) fn length(&self, row: usize) -> Option<usize> {
        self.is_there(row).then(|| member(&self.array, row).map(|list| list.len())).flatten()
    }
}

/// The list of a row that has one.
fn member(array: &ArrayRef, row: usize) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::List(_) => Some(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => Some(array.as_fixed_size_list().value(row)),
        _ => None,
    }
}

fn text(array: &ArrayRef, row: usize) -> Option<Cow<'_, [u8]>> {
    if array.is_null(row) {
        return None;
    }
    let bytes = match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).as_bytes(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).as_bytes(),
        DataType::Utf8View => array.as_string_view().value(row).as_bytes(),
        DataType::Binary => array.as_binary::<i32>().value(row),
        DataType::LargeBinary => array.as_binary::<i64>().value(row),
        DataType::BinaryView => array.as_binary_view().value(row),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let key = usize::try_from(number(dictionary.keys(), row)?).ok()?;
            return (key < dictionary.values().len()).then(|| text(dictionary.values(), key)).flatten();
        }
        _ => return number(array, row).map(|number| number.to_string().into_bytes().into()),
    };
    Some(Cow::Borrowed(bytes))
}

/// A whole number of any width.
fn number(array: &dyn Array, row: usize) -> Option<i128> {
    Some(match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        _ => return None,
    })
}
