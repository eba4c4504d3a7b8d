//! What NetCDF-4 adds to HDF5: named dimensions, shared along the hierarchy ("NetCDF-4 File Format", Appendix B of the
//! NetCDF User's Guide), and invented ones for files without.

use super::attributes::RawAttribute;
use super::file::File;
use super::global_heap::GlobalHeaps;
use super::hierarchy::Hierarchy;
use super::message::dataspace::Dataspace;
use crate::FormatError;
use crate::characters;
use firn_model::dataset::Dimension;
use firn_model::diagnose::At;
use indexmap::IndexMap;
use std::collections::HashMap;

/// Begins the name of a variable that has the name of a dimension without being its coordinate.
pub(super) const NON_COORDINATE: &str = "_nc4_non_coord_";
/// Begins the NAME of a dimension scale that is no variable.
const NO_VARIABLE: &str = "This is a netCDF dimension but not a netCDF variable";

/// Attributes that carry this bookkeeping.
const BOOKKEEPING: [&str; 9] = [
    "CLASS",
    "NAME",
    "DIMENSION_LIST",
    "REFERENCE_LIST",
    "DIMENSION_LABELS",
    "_Netcdf4Dimid",
    "_Netcdf4Coordinates",
    "_nc3_strict",
    "_NCProperties",
];

/// Whether an attribute of this name is bookkeeping and not the user's.
pub(super) fn is_bookkeeping(name: &str) -> bool {
    BOOKKEEPING.contains(&name)
}

/// A dataset as far as its dimensions are concerned.
pub(super) struct Subject<'a> {
    pub address: u64,
    /// Its own name in the file.
    pub name: &'a str,
    pub dataspace: &'a Dataspace,
    pub attributes: &'a [RawAttribute],
    pub at: &'a At,
    pub visibility: Visibility,
    /// Whether its elements are single characters.
    pub is_char: bool,
}

/// Who takes part in the numbering of invented dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visibility {
    /// What libnetcdf shows.
    Shown,
    /// What libnetcdf does not show, but firn reads: numbered after all that it shows.
    Extra,
    /// What neither shows: its dimensions have no names.
    None,
}

/// What came out for one dataset.
#[derive(Debug, Clone, Default)]
pub(super) struct Dimensions {
    /// Whether it is a dimension only, and no variable.
    pub is_dimension_only: bool,
    pub names: Vec<String>,
    /// Its shape with unlimited dimensions as long as the longest dataset along them.
    pub shape: Vec<u64>,
    /// Whether it is of single characters that its last dimension joins to texts.
    pub joins_characters: bool,
}

/// The dimensions of all groups and datasets, by their numbers in the hierarchy.
pub(super) struct Resolved {
    pub groups: Vec<IndexMap<String, Dimension>>,
    pub datasets: Vec<Dimensions>,
    pub notes: Vec<String>,
}

struct Named {
    name: String,
    id: i64,
    group: usize,
    /// Address of its dimension scale; none where it was invented.
    scale: Option<u64>,
    size: u64,
    is_unlimited: bool,
}

struct Resolver<'a> {
    tree: &'a Hierarchy,
    subjects: &'a [Subject<'a>],
    dimensions: Vec<Named>,
    /// Numbers of the dimensions of each group.
    of_group: Vec<Vec<usize>>,
    next_id: i64,
    /// Dimensions of each dataset, by number.
    used: Vec<Vec<usize>>,
    /// For each dataset that is a dimension scale: its dimension, and whether it is that only.
    scales: Vec<Option<(usize, bool)>>,
    notes: Vec<String>,
}

/// Finds names and extents of all dimensions. `subjects` are the datasets of the hierarchy in its order.
pub(super) fn resolve(
    file: &File,
    tree: &Hierarchy,
    subjects: &[Subject<'_>],
    heaps: &GlobalHeaps,
) -> Result<Resolved, FormatError> {
    let mut resolver = Resolver {
        tree,
        subjects,
        dimensions: Vec::new(),
        of_group: vec![Vec::new(); tree.groups.len()],
        next_id: 0,
        used: vec![Vec::new(); subjects.len()],
        scales: vec![None; subjects.len()],
        notes: Vec::new(),
    };
    let order = pre_order(tree);
    for group in &order {
        for dataset in &tree.groups[*group].datasets {
            resolver.declare(*group, *dataset);
        }
    }
    for visibility in [Visibility::Shown, Visibility::Extra] {
        for group in post_order(tree) {
            for dataset in tree.groups[group].datasets.iter().filter(|d| subjects[**d].visibility == visibility) {
                resolver.match_scales(file, group, *dataset, heaps)?;
            }
        }
    }
    Ok(resolver.finish())
}

fn pre_order(tree: &Hierarchy) -> Vec<usize> {
    let mut order = Vec::with_capacity(tree.groups.len());
    let mut stack = vec![0];
    while let Some(group) = stack.pop() {
        order.push(group);
        stack.extend(tree.groups[group].groups.iter().rev());
    }
    order
}

fn post_order(tree: &Hierarchy) -> Vec<usize> {
    let mut order = Vec::with_capacity(tree.groups.len());
    let mut stack = vec![0];
    while let Some(group) = stack.pop() {
        order.push(group);
        stack.extend(tree.groups[group].groups.iter());
    }
    order.reverse();
    order
}

fn attribute<'a>(subject: &'a Subject<'_>, name: &str) -> Option<&'a RawAttribute> {
    subject.attributes.iter().find(|attribute| attribute.name == name)
}

impl Resolver<'_> {
    /// Makes a dimension of a dataset that is a dimension scale.
    fn declare(&mut self, group: usize, dataset: usize) {
        let subject = &self.subjects[dataset];
        let is_scale = attribute(subject, "CLASS").and_then(RawAttribute::text).is_some_and(|c| c == "DIMENSION_SCALE");
        let Dataspace::Simple { shape, max_shape } = subject.dataspace else { return };
        let (true, Some(size), Some(max)) = (is_scale, shape.first(), max_shape.first()) else { return };
        let id =
            attribute(subject, "_Netcdf4Dimid").and_then(RawAttribute::integers).and_then(|ids| ids.first().copied());
        let id = id.filter(|id| (0..i64::from(i32::MAX)).contains(id)).unwrap_or(self.next_id);
        self.next_id = self.next_id.max(id + 1);
        let name = attribute(subject, "NAME").and_then(RawAttribute::text).unwrap_or_default();
        // One dataset under several names is one dimension; libnetcdf calls it by the last of them.
        let known = self.of_group[group].iter().copied().find(|n| self.dimensions[*n].scale == Some(subject.address));
        if let Some(number) = known {
            subject.name.clone_into(&mut self.dimensions[number].name);
            self.scales[dataset] = Some((number, name.starts_with(NO_VARIABLE)));
            return;
        }
        self.scales[dataset] = Some((self.dimensions.len(), name.starts_with(NO_VARIABLE)));
        self.of_group[group].push(self.dimensions.len());
        self.dimensions.push(Named {
            name: subject.name.to_owned(),
            id,
            group,
            scale: Some(subject.address),
            size: *size,
            is_unlimited: max.is_none(),
        });
    }

    fn match_scales(
        &mut self,
        file: &File,
        group: usize,
        dataset: usize,
        heaps: &GlobalHeaps,
    ) -> Result<(), FormatError> {
        let subjects = self.subjects;
        let subject = &subjects[dataset];
        let Dataspace::Simple { shape, max_shape } = subject.dataspace else { return Ok(()) };
        let ids = attribute(subject, "_Netcdf4Coordinates").and_then(RawAttribute::integers).unwrap_or_default();
        let lists = match attribute(subject, "DIMENSION_LIST").filter(|list| list.needs_heaps()) {
            Some(list) => list.object_lists(file, subject.at, heaps)?,
            None => Vec::new(),
        };
        let mut used = Vec::with_capacity(shape.len());
        for (axis, (extent, max)) in shape.iter().zip(max_shape).enumerate() {
            let own = self.scales[dataset].filter(|_| axis == 0).map(|(dimension, _)| dimension);
            let by_list =
                || lists.get(axis).and_then(|list| list.iter().find_map(|scale| self.by_scale(group, *scale)));
            let by_id = || (ids.len() == shape.len()).then(|| self.by_id(group, ids[axis])).flatten();
            let found = own.filter(|_| shape.len() == 1).or_else(by_list).or_else(by_id).or(own);
            let fits = found.filter(|number| {
                let dimension = &self.dimensions[*number];
                dimension.is_unlimited || dimension.size == *extent
            });
            if let (Some(number), None) = (found, fits) {
                let dimension = &self.dimensions[number];
                self.notes.push(format!(
                    "dimension {axis} of {} has {extent} elements, but its dimension scale {:?} has {}: it is left unnamed",
                    subject.at.node.as_deref().unwrap_or_default(),
                    dimension.name,
                    dimension.size
                ));
            }
            let number = fits.unwrap_or_else(|| self.invent(group, *extent, max.is_none(), &used));
            used.push(number);
        }
        self.used[dataset] = used;
        Ok(())
    }

    /// Numbers of this group and those that hold it, from the inside out.
    fn chain(&self, group: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(Some(group), |group| self.tree.groups[*group].parent)
    }

    fn by_scale(&self, group: usize, scale: u64) -> Option<usize> {
        self.chain(group)
            .flat_map(|group| &self.of_group[group])
            .copied()
            .find(|number| self.dimensions[*number].scale == Some(scale))
    }

    fn by_id(&self, group: usize, id: i64) -> Option<usize> {
        self.chain(group)
            .flat_map(|group| &self.of_group[group])
            .copied()
            .find(|number| self.dimensions[*number].id == id)
    }

    /// A dimension for an axis without a scale: one of this group with the same extent, else a new one. libnetcdf names
    /// them by their number.
    fn invent(&mut self, group: usize, size: u64, is_unlimited: bool, used: &[usize]) -> usize {
        let known = self.of_group[group].iter().copied().find(|number| {
            let dimension = &self.dimensions[*number];
            dimension.size == size && dimension.is_unlimited == is_unlimited && !used.contains(number)
        });
        if let Some(number) = known {
            return number;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.of_group[group].push(self.dimensions.len());
        self.dimensions.push(Named { name: format!("phony_dim_{id}"), id, group, scale: None, size, is_unlimited });
        self.dimensions.len() - 1
    }

    fn is_dimension_only(&self, dataset: usize) -> bool {
        self.scales[dataset].is_some_and(|(_, is_dimension_only)| is_dimension_only)
    }

    /// Which dimensions count the characters of texts. A dimension is judged by the variables of all groups that see it.
    fn character_dimensions(&self) -> Vec<bool> {
        let by_name: HashMap<(usize, &str), usize> =
            self.dimensions.iter().enumerate().map(|(number, d)| ((d.group, d.name.as_str()), number)).collect();
        let mut has_variable = vec![false; self.dimensions.len()];
        for (group, members) in self.tree.groups.iter().enumerate() {
            for dataset in members.datasets.iter().filter(|dataset| !self.is_dimension_only(**dataset)) {
                let name = self.subjects[*dataset].name;
                let name = name.strip_prefix(NON_COORDINATE).unwrap_or(name);
                if let Some(number) = self.chain(group).find_map(|group| by_name.get(&(group, name))) {
                    has_variable[*number] = true;
                }
            }
        }
        let variables = (0..self.used.len()).filter(|dataset| !self.is_dimension_only(*dataset));
        let variables = variables.map(|dataset| (self.subjects[dataset].is_char, self.used[dataset].as_slice()));
        characters::joined(variables, has_variable)
    }

    fn finish(mut self) -> Resolved {
        // An unlimited dimension is as long as the longest variable along it, which may not be its own scale.
        let mut lengths: Vec<u64> = self.dimensions.iter().map(|d| if d.is_unlimited { 0 } else { d.size }).collect();
        for (dataset, used) in self.used.iter().enumerate() {
            if self.is_dimension_only(dataset) {
                continue;
            }
            for (number, extent) in used.iter().zip(self.subjects[dataset].dataspace.shape()) {
                if self.dimensions[*number].is_unlimited {
                    lengths[*number] = lengths[*number].max(*extent);
                }
            }
        }
        let joins = self.character_dimensions();
        let mut datasets = Vec::with_capacity(self.used.len());
        for (dataset, used) in self.used.iter().enumerate() {
            datasets.push(Dimensions {
                is_dimension_only: self.is_dimension_only(dataset),
                joins_characters: self.subjects[dataset].is_char && characters::are_joined(used, &joins),
                names: used.iter().map(|number| self.dimensions[*number].name.clone()).collect(),
                shape: used.iter().map(|number| lengths[*number]).collect(),
            });
        }
        let mut groups: Vec<IndexMap<String, Dimension>> = vec![IndexMap::new(); self.tree.groups.len()];
        let mut order: Vec<usize> = (0..self.dimensions.len()).collect();
        order.sort_by_key(|number| self.dimensions[*number].id);
        for number in order {
            let dimension = &self.dimensions[number];
            let declared = Dimension { size: lengths[number], unlimited: dimension.is_unlimited };
            groups[dimension.group].insert(dimension.name.clone(), declared);
        }
        Resolved { groups, datasets, notes: std::mem::take(&mut self.notes) }
    }
}
