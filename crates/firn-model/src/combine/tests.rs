//! Joining small files made here: every disagreement stops with its own rule, and boxes go where they belong.

use super::*;
use crate::array::{
    Array, AttributeValue, ChunkEntry, ChunkGrid, ChunkManifest, ChunkTable, CodecMetadata, DataType, Elements, Endian,
    Numbers, SourceObject, StoredAs,
};
use crate::dataset::{Dataset, Dimension, Node};
use crate::source::SourceVersion;
use std::sync::Arc;

fn text(value: &str) -> AttributeValue {
    AttributeValue::Text(value.to_owned())
}

fn float(value: f32) -> AttributeValue {
    AttributeValue::Numbers(Numbers::Float32(vec![value]))
}

fn doubles(values: &[f64]) -> Values {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    Values { data_type: DataType::Float64, shape: vec![values.len() as u64], elements: Elements::Fixed(bytes) }
}

/// A file with `time`, `lat` and `sst(time, lat)`.
struct File {
    name: &'static str,
    time: Vec<f64>,
    lat: Vec<f64>,
    chunk: Vec<u64>,
    sst: Attributes,
    time_attributes: Attributes,
    keys: BTreeMap<String, SlotKey>,
    variable: &'static str,
    is_contiguous: bool,
    modified: i64,
}

impl File {
    fn new(name: &'static str, time: &[f64]) -> Self {
        let mut time_attributes = Attributes::new();
        time_attributes.insert("units".into(), text("days since 2000-01-01"));
        let mut sst = Attributes::new();
        sst.insert("units".into(), text("K"));
        sst.insert("scale_factor".into(), float(0.01));
        Self {
            name,
            time: time.to_vec(),
            lat: vec![-10.0, 0.0, 10.0],
            chunk: vec![1, 3],
            sst,
            time_attributes,
            keys: BTreeMap::new(),
            variable: "sst",
            is_contiguous: false,
            modified: 0,
        }
    }

    fn facts(&self) -> FileFacts {
        let mut dataset = Dataset::default();
        let (nt, ny) = (self.time.len() as u64, self.lat.len() as u64);
        if let Some(Node::Group(root)) = dataset.nodes.get_mut(&NodePath::root()) {
            root.attributes.insert("history".into(), text(self.name));
            root.dimensions.insert("time".into(), Dimension { size: nt, unlimited: true });
            root.dimensions.insert("lat".into(), Dimension { size: ny, unlimited: false });
        }
        let version = SourceVersion { size: 10_000, last_modified: Some(self.modified), ..SourceVersion::default() };
        let object = SourceObject { url: self.name.to_owned(), version: version.clone() };
        let mut contents = BTreeMap::new();
        let mut add = |name: &str, dims: &[&str], shape: &[u64], chunk: &[u64], attributes: &Attributes, data_type| {
            let chunk_grid = ChunkGrid::regular(chunk);
            let mut table = ChunkTable::unknown(&chunk_grid.grid_shape(shape)).unwrap();
            let number = table.intern(&object);
            for linear in 0..table.len() as u64 {
                table.set_stored(linear, number, 1000 + linear * 100, 64, 0);
            }
            let codecs = if self.is_contiguous {
                vec![CodecMetadata::Bytes { endian: Endian::Little }]
            } else {
                vec![CodecMetadata::Bytes { endian: Endian::Little }, CodecMetadata::Zlib { level: 4 }]
            };
            let metadata = ArrayMetadata {
                shape: shape.to_vec(),
                data_type,
                chunk_grid,
                fill_value: None,
                codecs,
                dimension_names: dims.iter().map(|d| (*d).to_owned()).collect(),
                attributes: attributes.clone(),
            };
            let array = Array { metadata, stored_as: StoredAs::Elements, manifest: ChunkManifest::Table(table) };
            dataset.nodes.insert(NodePath::parse(name).unwrap(), Node::Array(Box::new(array)));
        };
        add("time", &["time"], &[nt], &[nt], &self.time_attributes, DataType::Float64);
        add("lat", &["lat"], &[ny], &[ny], &Attributes::new(), DataType::Float64);
        let chunk = if self.is_contiguous { vec![nt, ny] } else { self.chunk.clone() };
        add(self.variable, &["time", "lat"], &[nt, ny], &chunk, &self.sst, DataType::Int16);
        for (name, values) in [("time", doubles(&self.time)), ("lat", doubles(&self.lat))] {
            let Elements::Fixed(bytes) = &values.elements else { unreachable!() };
            let digest = *blake3::hash(bytes).as_bytes();
            contents.insert(NodePath::parse(name).unwrap(), Content { digest, values: Some(Arc::new(values)) });
        }
        FileFacts { url: self.name.to_owned(), version, keys: self.keys.clone(), dataset, contents }
    }
}

fn rules() -> CombineRules {
    CombineRules { concat_dims: vec!["time".into()], ..CombineRules::default() }
}

fn join(files: &[File], rules: &CombineRules) -> Result<Combined, CombineError> {
    combine(files.iter().map(File::facts).collect(), rules).map_err(|refused| refused.error)
}

fn rule(files: &[File]) -> Rule {
    join(files, &rules()).expect_err("the files disagree").rule()
}

fn path(name: &str) -> NodePath {
    NodePath::parse(name).unwrap()
}

fn pieces(combined: &Combined, name: &str) -> Vec<Piece> {
    match &combined.arrays[&path(name)].content {
        CombinedContent::Pieces(pieces) => pieces.clone(),
        CombinedContent::Values(_) => panic!("{name} was encoded anew"),
    }
}

#[test]
fn files_follow_each_other_by_their_key() {
    let combined = join(&[File::new("b.nc", &[2.0, 3.0]), File::new("a.nc", &[0.0, 1.0])], &rules()).unwrap();
    assert_eq!(combined.arrays[&path("sst")].metadata.shape, [4, 3]);
    let of_b = pieces(&combined, "sst").into_iter().find(|p| p.file == 0).unwrap();
    assert_eq!(of_b.target, ArraySubset { start: vec![2, 0], shape: vec![2, 3] });
    assert_eq!(pieces(&combined, "lat").len(), 1, "a static array comes from one file");
    assert_eq!(combined.groups[&NodePath::root()].dimensions["time"].size, 4);
    assert!(combined.noted.iter().any(|n| n.code == "attribute-dropped" && n.at == "/@history"));
}

#[test]
fn each_drift_has_its_own_rule() {
    let a = || File::new("a.nc", &[0.0]);
    let b = || File::new("b.nc", &[1.0]);
    let with = |name: &str, value: AttributeValue| {
        let mut file = b();
        file.sst.insert(name.into(), value);
        file
    };
    assert_eq!(rule(&[a(), with("scale_factor", float(0.02))]), Rule::Packing);
    assert_eq!(rule(&[a(), with("add_offset", float(1.0))]), Rule::Packing);
    assert_eq!(rule(&[a(), with("_FillValue", AttributeValue::Numbers(Numbers::Int16(vec![-1])))]), Rule::Fill);
    assert_eq!(rule(&[a(), with("units", text("Celsius"))]), Rule::Units);
    assert_eq!(rule(&[a(), with("flag_meanings", text("a b"))]), Rule::CodingAttribute);
    assert_eq!(rule(&[a(), File { lat: vec![-10.0, 1e-6, 10.0], ..b() }]), Rule::Coordinate);
    assert_eq!(rule(&[a(), File { lat: vec![-10.0, 0.0], ..b() }]), Rule::Shape);
    assert_eq!(rule(&[a(), File { variable: "ice", ..b() }]), Rule::Variables);
    assert_eq!(rule(&[a(), File::new("b.nc", &[0.0])]), Rule::Overlap);
    let mut noleap = b();
    noleap.time_attributes.insert("calendar".into(), text("noleap"));
    assert_eq!(rule(&[a(), noleap]), Rule::Calendar);
}

#[test]
fn a_type_that_differs_is_packing_of_another_kind() {
    let mut facts: Vec<FileFacts> =
        [File::new("a.nc", &[0.0]), File::new("b.nc", &[1.0])].iter().map(File::facts).collect();
    if let Some(Node::Array(array)) = facts[1].dataset.nodes.get_mut(&path("sst")) {
        array.metadata.data_type = DataType::Int32;
    }
    assert_eq!(combine(facts, &rules()).expect_err("the types differ").error.rule(), Rule::DataType);
}

#[test]
fn a_tolerance_snaps_to_the_first_file_and_is_recorded() {
    let near = File { lat: vec![-10.0, 1e-6, 10.0], ..File::new("b.nc", &[1.0]) };
    let rules = CombineRules { tolerances: [("lat".to_owned(), 1e-5)].into(), ..rules() };
    let combined = join(&[File::new("a.nc", &[0.0]), near], &rules).unwrap();
    assert!(combined.noted.iter().any(|n| n.code == "coordinate-snapped"));
    assert_eq!(pieces(&combined, "lat")[0].file, 0);
}

#[test]
fn other_time_units_are_encoded_anew_exactly_or_refused() {
    let mut hours = File::new("b.nc", &[24.0, 36.0]);
    hours.time_attributes.insert("units".into(), text("hours since 2000-01-01"));
    let combined = join(&[File::new("a.nc", &[0.0]), hours], &rules()).unwrap();
    let time = &combined.arrays[&path("time")];
    assert_eq!(time.metadata.data_type, DataType::Int64);
    assert_eq!(time.metadata.attributes["units"], text("hours since 2000-01-01"));
    let CombinedContent::Values(values) = &time.content else { panic!("not encoded anew") };
    assert_eq!(values.to_i64().unwrap(), [0, 24, 36]);
    let mut sevenths = File::new("b.nc", &[1.0 / 7.0]);
    sevenths.time_attributes.insert("units".into(), text("days since 2000-01-02"));
    assert_eq!(rule(&[File::new("a.nc", &[0.0]), sevenths]), Rule::TimeEncoding);
}

#[test]
fn overlapping_steps_are_resolved_by_the_declared_rule() {
    let files = [
        File { modified: 5, ..File::new("a.nc", &[0.0, 1.0]) },
        File { modified: 9, ..File::new("b.nc", &[1.0, 2.0]) },
    ];
    let newest = join(&files, &CombineRules { overlap: Overlap::Newest, ..rules() }).unwrap();
    assert_eq!(newest.arrays[&path("sst")].metadata.shape[0], 3);
    assert!(newest.checks.is_empty());
    let of_b: u64 = pieces(&newest, "sst").iter().filter(|p| p.file == 1).map(|p| p.source.shape[0]).sum();
    assert_eq!(of_b, 2, "both steps of the newer file are kept");
    let identical = join(&files, &CombineRules { overlap: Overlap::Identical, ..rules() }).unwrap();
    let check = identical.checks.iter().find(|c| c.path == path("sst")).unwrap();
    assert_eq!((check.kept.0, check.kept.1.start[0], check.dropped.0, check.dropped.1.start[0]), (0, 1, 1, 0));
}

#[test]
fn schema_rules_drop_or_leave_holes() {
    let mut files = [File::new("a.nc", &[0.0]), File { variable: "ice", ..File::new("b.nc", &[1.0]) }];
    for file in &mut files {
        file.sst.insert("_FillValue".into(), AttributeValue::Numbers(Numbers::Int16(vec![-999])));
    }
    let both = join(&files, &CombineRules { schema: Schema::Union, ..rules() }).unwrap();
    assert_eq!(both.arrays[&path("ice")].metadata.shape, [2, 3]);
    assert_eq!(pieces(&both, "ice").len(), 1, "the other step is unwritten");
    let common = join(&files, &CombineRules { schema: Schema::Intersection, ..rules() }).unwrap();
    assert!(!common.arrays.contains_key(&path("sst")) && common.arrays.contains_key(&path("lat")));
}

#[test]
fn a_step_that_is_dropped_takes_no_variable_with_it() {
    let mut files = [
        File { modified: 5, variable: "ice", ..File::new("a.nc", &[0.0, 1.0]) },
        File { modified: 9, ..File::new("b.nc", &[1.0, 2.0]) },
    ];
    for file in &mut files {
        file.sst.insert("_FillValue".into(), AttributeValue::Numbers(Numbers::Int16(vec![-999])));
    }
    for overlap in [Overlap::Newest, Overlap::First, Overlap::Identical] {
        let error = join(&files, &CombineRules { schema: Schema::Union, overlap, ..rules() }).unwrap_err();
        let (kept, dropped) = if overlap == Overlap::Newest { ("b.nc", "a.nc") } else { ("a.nc", "b.nc") };
        let found = &error.disagreements[0];
        assert_eq!((found.rule, found.at.url.as_deref()), (Rule::Variables, Some(dropped)), "{overlap:?}");
        assert_eq!(found.against.as_deref(), Some(kept));
    }
}

#[test]
fn what_a_file_lacks_must_read_as_missing() {
    let union = CombineRules { schema: Schema::Union, ..rules() };
    let joined = |name: &str, value: Option<Numbers>| {
        let mut files = [File::new("a.nc", &[0.0]), File { variable: "ice", ..File::new("b.nc", &[1.0]) }];
        for file in &mut files {
            file.sst.extend(value.clone().map(|value| (name.to_owned(), AttributeValue::Numbers(value))));
        }
        join(&files, &union)
    };
    // The arrays have no fill of their own: unwritten is `_FillValue`, else zero.
    assert!(joined("_FillValue", Some(Numbers::Int16(vec![-999]))).is_ok());
    assert!(joined("missing_value", Some(Numbers::Int16(vec![-999, 0]))).is_ok());
    for (name, value) in [
        ("_FillValue", None),
        ("_FillValue", Some(Numbers::Float32(vec![-999.0]))),
        ("missing_value", Some(Numbers::Int16(vec![-999]))),
    ] {
        let error = joined(name, value).expect_err("zero looks like data");
        let found: Vec<_> =
            error.disagreements.iter().map(|d| (d.rule, d.at.url.as_deref(), d.at.node.as_deref())).collect();
        let wanted = |url, node| (Rule::AbsentWithoutFill, Some(url), Some(node));
        assert_eq!(found, [wanted("b.nc", "/sst"), wanted("a.nc", "/ice")]);
    }
}

#[test]
fn keys_of_the_pattern_become_a_new_dimension() {
    let member = |name, key: &str| {
        let mut file = File::new(name, &[0.0, 1.0]);
        file.keys.insert("member".into(), SlotKey::Text(key.into()));
        file
    };
    let rules = CombineRules { concat_dims: vec!["member".into()], ..CombineRules::default() };
    let combined = join(&[member("a.nc", "r10"), member("b.nc", "r2")], &rules).unwrap();
    assert_eq!(combined.arrays[&path("sst")].metadata.dimension_names, ["member", "time", "lat"]);
    assert_eq!(combined.arrays[&path("sst")].metadata.shape, [2, 2, 3]);
    assert_eq!(combined.arrays[&path("lat")].metadata.dimension_names, ["lat"]);
    let CombinedContent::Values(labels) = &combined.arrays[&path("member")].content else { panic!() };
    assert_eq!(labels.elements, Elements::Text(vec!["r10".into(), "r2".into()]), "in the declared order");
}

#[test]
fn a_merge_dimension_brings_variables_together_and_finds_holes() {
    let file = |name, variable: &'static str, day: f64| {
        let mut file = File { variable, ..File::new(name, &[day]) };
        file.keys.insert("variable".into(), SlotKey::Text(variable.into()));
        file.keys.insert("time".into(), SlotKey::Time(day as i64));
        file
    };
    let rules = CombineRules { merge_dims: vec!["variable".into()], ..rules() };
    let all = [file("s0", "sst", 0.0), file("s1", "sst", 1.0), file("i0", "ice", 0.0), file("i1", "ice", 1.0)];
    let combined = join(&all, &rules).unwrap();
    assert_eq!(combined.arrays[&path("ice")].metadata.shape, [2, 3]);
    assert_eq!(pieces(&combined, "lat").len(), 1);
    assert_eq!(join(&all[..3], &rules).expect_err("ice lacks a day").rule(), Rule::Hole);
    let twice = [file("s0", "sst", 0.0), File { keys: file("x", "ice", 0.0).keys, ..file("i0", "sst", 0.0) }];
    assert_eq!(join(&twice, &rules).expect_err("sst is there twice").rule(), Rule::Merge);
}

#[test]
fn references_keep_chunks_and_refuse_other_shapes() {
    let combined = join(&[File::new("a.nc", &[0.0, 1.0]), File::new("b.nc", &[2.0])], &rules()).unwrap();
    let found = virtualize::references(&combined, &combined.arrays[&path("sst")]).unwrap();
    assert_eq!((found.chunk_shape, found.table.len()), (vec![1, 3], 3));
    let odd = File { chunk: vec![1, 2], ..File::new("b.nc", &[1.0]) };
    let combined = join(&[File::new("a.nc", &[0.0]), odd], &rules()).unwrap();
    let obstacle = virtualize::references(&combined, &combined.arrays[&path("sst")]).expect_err("the chunks differ");
    assert_eq!(obstacle.drift, Some(Rule::ChunkShape));
}

#[test]
fn contiguous_files_are_cut_into_pieces_that_divide_all_of_them() {
    let contiguous = |name, days: &[f64]| File { is_contiguous: true, ..File::new(name, days) };
    let files = [contiguous("a.nc", &[0.0, 1.0, 2.0, 3.0]), contiguous("b.nc", &[4.0, 5.0])];
    let combined = join(&files, &rules()).unwrap();
    let found = virtualize::references(&combined, &combined.arrays[&path("sst")]).unwrap();
    assert_eq!(found.chunk_shape, [2, 3]);
    let places: Vec<(u64, u64)> = (0..3)
        .map(|linear| match found.table.entry(linear) {
            ChunkEntry::Stored { offset, length, .. } => (offset, length),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(places, [(1000, 12), (1012, 12), (1000, 12)]);
}

#[test]
fn selections_cut_boxes_rename_and_drop_dimensions() {
    let combined = join(&[File::new("a.nc", &[0.0, 1.0]), File::new("b.nc", &[2.0])], &rules()).unwrap();
    let selection = Selection {
        ranges: [("time".to_owned(), Range::Values(1.0, 2.0)), ("lat".to_owned(), Range::Index(-1))].into(),
        rename: [("sst".to_owned(), "temperature".to_owned()), ("time".to_owned(), "t".to_owned())].into(),
        ..Selection::default()
    };
    let selected = select(combined, &selection).unwrap();
    let array = &selected.arrays[&path("temperature")];
    assert_eq!((array.metadata.dimension_names.clone(), array.metadata.shape.clone()), (vec!["t".to_owned()], vec![2]));
    assert_eq!(array.axes, [Some(0), None]);
    let first = &pieces(&selected, "temperature")[0];
    assert_eq!((first.source.start.clone(), first.source.shape.clone()), (vec![1, 2], vec![1, 1]));
    assert!(selected.arrays.contains_key(&path("t")));
}

#[test]
fn selecting_what_is_not_there_is_refused() {
    let selection = Selection { variables: vec!["nothing".into()], ..Selection::default() };
    let combined = join(&[File::new("a.nc", &[0.0])], &rules()).unwrap();
    assert!(matches!(select(combined.clone(), &selection), Err(SelectError::Unknown { .. })));
    let selection =
        Selection { ranges: [("lat".to_owned(), Range::Values(50.0, 60.0))].into(), ..Selection::default() };
    assert!(matches!(select(combined, &selection), Err(SelectError::Empty { .. })));
}

/// A file of one day, with its key, whose `sst` names a fill value.
fn day_with_key(name: &'static str, key: i64, time: &[f64]) -> File {
    let mut file = File::new(name, time);
    file.sst.insert("_FillValue".into(), AttributeValue::Numbers(Numbers::Int16(vec![-1])));
    file.keys.insert("time".into(), day_key(key));
    file
}

/// Midnight so many days after 2000-01-01.
fn day_key(day: i64) -> SlotKey {
    SlotKey::Time((10_957 + day) * 86_400_000_000)
}

fn filling(day: i64, files_before: usize) -> CombineRules {
    let keys = [("time".to_owned(), day_key(day))].into();
    CombineRules {
        gaps_declared: true,
        filled: vec![FilledGap { url: "gap.nc".to_owned(), keys, files_before }],
        ..rules()
    }
}

#[test]
fn a_filled_step_has_a_coordinate_and_no_values() {
    let files = [day_with_key("a.nc", 0, &[0.5]), day_with_key("b.nc", 1, &[1.5]), day_with_key("d.nc", 3, &[3.5])];
    let combined = join(&files, &filling(2, 2)).unwrap();
    let CombinedContent::Values(time) = &combined.arrays[&path("time")].content else { panic!() };
    assert_eq!(time.to_f64().unwrap(), [0.5, 1.5, 2.5, 3.5]);
    let sst = &combined.arrays[&path("sst")];
    assert_eq!(sst.metadata.shape, [4, 3]);
    assert_eq!(sst.metadata.fill_value, Some(crate::array::FillValue::Fixed((-1i16).to_le_bytes().to_vec())));
    let starts: Vec<u64> = pieces(&combined, "sst").iter().map(|piece| piece.target.start[0]).collect();
    assert_eq!(starts, [0, 1, 3]);
    let table = virtualize::references(&combined, sst).unwrap().table;
    let empty: Vec<bool> = (0..4).map(|step| matches!(table.entry(step), ChunkEntry::KnownEmpty)).collect();
    assert_eq!(empty, [false, false, true, false]);
}

#[test]
fn a_step_is_not_filled_where_that_would_be_a_guess() {
    let refused = |files: &[File]| join(files, &filling(2, 2)).expect_err("it would be a guess").rule();
    let (a, b) = (|| day_with_key("a.nc", 0, &[0.5]), || day_with_key("b.nc", 1, &[1.5]));
    let other_distance = [a(), b(), day_with_key("d.nc", 3, &[3.25])];
    assert_eq!(refused(&other_distance), Rule::GapFill);
    let other_length = [a(), b(), day_with_key("d.nc", 3, &[3.5, 3.75])];
    assert_eq!(refused(&other_length), Rule::GapFill);
    assert_eq!(refused(&[a()]), Rule::GapFill, "one file shows no distance");
    let mut without_fill = [a(), b()];
    for file in &mut without_fill {
        file.sst.shift_remove("_FillValue");
    }
    assert_eq!(refused(&without_fill), Rule::GapFill);
    let mut reaching_in = [a(), b()];
    for file in &mut reaching_in {
        file.time.push(file.time[0] + 1.0);
    }
    assert_eq!(refused(&reaching_in), Rule::GapFill, "a file holds the step");
}
