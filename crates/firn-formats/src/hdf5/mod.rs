//! HDF5 and NetCDF-4, from the HDF5 File Format Specification (versions 1.0 to 4.0 of the document).
//!
//! Only metadata is read here: superblock, object headers, groups, attributes, chunk indices. Addresses are followed
//! breadth-first, so that one batch of reads serves one level of everything in the file.

mod array;
mod attributes;
mod btree1;
mod btree2;
mod checksum;
mod chunk_index;
mod codecs;
mod cursor;
mod file;
mod fractal_heap;
mod global_heap;
mod group;
mod hierarchy;
mod limits;
mod local_heap;
mod message;
mod netcdf4;
mod object_header;
mod shared;
mod superblock;
#[cfg(test)]
mod tests;
mod variable;
mod vlen_text;

pub use vlen_text::read_vlen_text;

use crate::FormatError;
use array::Planned;
use attributes::{Decoder, RawAttribute};
use chunk_index::Job;
use file::File;
use firn_model::array::{Attributes, SourceObject};
use firn_model::dataset::{Dataset, DatasetFormat, Group, Node, NodeName, NodePath, Refusal};
use firn_model::diagnose::{At, Diagnose};
use firn_model::source::{Source, SourceError};
use global_heap::GlobalHeaps;
use hierarchy::{Hierarchy, Objects};
use message::dataspace::Dataspace;
use netcdf4::{Dimensions, Subject, Visibility};
use object_header::ObjectHeader;
use shared::SharedMessages;
use std::collections::{BTreeSet, HashMap};
use variable::Head;

/// Reads the metadata of an HDF5 or NetCDF-4 file: groups, dimensions, variables with attributes and the place of every
/// chunk. A variable that cannot be read is a [`Node::Refused`] that says why.
///
/// # Errors
/// Where the file as a whole cannot be read or contradicts itself, and where its bytes cannot be had.
pub fn open(source: &dyn Source, at: &At) -> Result<Dataset, FormatError> {
    let reader = source.object("")?.ok_or_else(|| SourceError::NotFound { at: at.clone() })?;
    let object = SourceObject { url: source.url().to_owned(), version: reader.version()? };
    let mut file = File::new(reader.as_ref(), at)?;
    let superblock = superblock::read(&mut file)?;
    file.chunk_k = superblock.chunk_k;
    let mut objects = hierarchy::read_objects(&file, &superblock)?;
    let tree = hierarchy::name_objects(&file, superblock.root, &objects)?;
    add_committed_types(&file, &mut objects)?;
    let shared = SharedMessages::open(&file, superblock.shared_messages, &objects.headers)?;
    Reading::new(&file, &objects, &tree, &shared)?.dataset(&object)
}

fn add_committed_types(file: &File, objects: &mut Objects) -> Result<(), FormatError> {
    let types = shared::committed_types(file, &objects.headers)?;
    let places: Vec<(u64, At)> = types.iter().map(|address| (*address, file.at.clone())).collect();
    let headers = object_header::read(file, &places)?;
    objects.headers.extend(types.into_iter().zip(headers));
    Ok(())
}

/// What is known of a file before its arrays are put together.
struct Reading<'a> {
    file: &'a File<'a>,
    objects: &'a Objects,
    tree: &'a Hierarchy,
    shared: &'a SharedMessages<'a>,
    attributes: HashMap<u64, Vec<RawAttribute>>,
    heaps: GlobalHeaps,
    notes: Vec<String>,
}

impl<'a> Reading<'a> {
    /// Reads the attributes of all objects, and the heaps that their values are in.
    fn new(
        file: &'a File<'a>,
        objects: &'a Objects,
        tree: &'a Hierarchy,
        shared: &'a SharedMessages<'a>,
    ) -> Result<Self, FormatError> {
        let mut notes = tree.notes.clone();
        let mut seen = BTreeSet::new();
        let mut owners: Vec<(u64, &ObjectHeader, At)> = Vec::new();
        let groups = tree.groups.iter().map(|group| (group.address, &group.path));
        for (address, path) in groups.chain(tree.datasets.iter().map(|dataset| (dataset.address, &dataset.path))) {
            if let Some(header) = objects.headers.get(&address).filter(|_| seen.insert(address)) {
                owners.push((address, header, file.at.node(path.as_str())));
            }
        }
        let headers: Vec<(&ObjectHeader, At)> = owners.iter().map(|(_, header, at)| (*header, at.clone())).collect();
        let found = attributes::read(file, shared, &headers, &mut notes)?;
        let mut collections = BTreeSet::new();
        for ((_, _, at), of_one) in owners.iter().zip(&found) {
            for attribute in of_one.iter().filter(|attribute| attribute.needs_heaps()) {
                let references = attribute.heap_references(file, at)?;
                collections.extend(references.iter().filter_map(|reference| Some(reference.object?.0)));
            }
        }
        let mut heaps = GlobalHeaps::default();
        heaps.fetch(file, &file.at, collections)?;
        let attributes = owners.iter().map(|(address, ..)| *address).zip(found).collect();
        Ok(Self { file, objects, tree, shared, attributes, heaps, notes })
    }

    fn at(&self, path: &NodePath) -> At {
        self.file.at.node(path.as_str())
    }

    fn attributes_of(&self, address: u64) -> &[RawAttribute] {
        self.attributes.get(&address).map(Vec::as_slice).unwrap_or_default()
    }

    fn dataset(mut self, object: &SourceObject) -> Result<Dataset, FormatError> {
        let heads = self.heads()?;
        let ats: Vec<At> = self.tree.datasets.iter().map(|dataset| self.at(&dataset.path)).collect();
        let subjects: Vec<Subject<'_>> = self
            .tree
            .datasets
            .iter()
            .zip(&heads)
            .zip(&ats)
            .map(|((dataset, head), at)| Subject {
                address: dataset.address,
                name: dataset.path.name(),
                dataspace: head.as_ref().map_or(&Dataspace::Null, |head| &head.dataspace),
                attributes: self.attributes_of(dataset.address),
                at,
                visibility: head.as_ref().map_or(Visibility::None, |head| head.visibility()),
                is_char: head.as_ref().is_ok_and(|head| head.datatype.is_char()),
            })
            .collect();
        let dimensions = netcdf4::resolve(self.file, self.tree, &subjects, &self.heaps)?;
        self.notes.extend(dimensions.notes.iter().cloned());
        let arrays = self.arrays(heads, &dimensions.datasets, object)?;
        self.assemble(dimensions, arrays)
    }

    /// Shape and type of each dataset.
    fn heads(&self) -> Result<Vec<Result<Head, Refusal>>, FormatError> {
        let mut found = Vec::with_capacity(self.tree.datasets.len());
        for dataset in &self.tree.datasets {
            let at = self.at(&dataset.path);
            let header = self.header(dataset.address, &at)?;
            found.push(refuse(variable::read_head(self.file, self.shared, &at, header))?);
        }
        Ok(found)
    }

    fn header(&self, address: u64, at: &At) -> Result<&'a ObjectHeader, FormatError> {
        self.objects.headers.get(&address).ok_or_else(|| FormatError::bug(at, "an object without a header was named"))
    }

    /// Every dataset as a node, with its chunks found; `None` for those that are dimensions only.
    fn arrays(
        &mut self,
        heads: Vec<Result<Head, Refusal>>,
        dimensions: &[Dimensions],
        object: &SourceObject,
    ) -> Result<Vec<Option<Node>>, FormatError> {
        let mut nodes = Vec::with_capacity(dimensions.len());
        let mut jobs: Vec<Job> = Vec::new();
        let mut known: HashMap<(u64, &[u64]), usize> = HashMap::new();
        let mut waiting = Vec::new();
        for ((dataset, head), dimensions) in self.tree.datasets.iter().zip(heads).zip(dimensions) {
            if dimensions.is_dimension_only {
                nodes.push(None);
                continue;
            }
            let at = self.at(&dataset.path);
            let planned = match head {
                Ok(head) => refuse(self.plan(dataset.address, &at, head, dimensions, object))?,
                Err(refusal) => Err(refusal),
            };
            match planned {
                Ok(Planned { array, job }) => {
                    if let Some(job) = job {
                        let number = *known.entry((dataset.address, &dimensions.shape)).or_insert_with(|| {
                            jobs.push(job);
                            jobs.len() - 1
                        });
                        waiting.push((nodes.len(), number));
                    }
                    nodes.push(Some(Node::Array(Box::new(array))));
                }
                Err(refusal) => nodes.push(Some(Node::Refused(refusal))),
            }
        }
        chunk_index::read(self.file, &mut jobs)?;
        for (node, job) in waiting {
            if let Some(Node::Array(array)) = nodes[node].take() {
                let array = array::finish(*array, jobs[job].table.clone());
                nodes[node] = Some(Node::Array(Box::new(array)));
            }
        }
        Ok(nodes)
    }

    fn plan(
        &mut self,
        address: u64,
        at: &At,
        head: Head,
        dimensions: &Dimensions,
        object: &SourceObject,
    ) -> Result<Planned, FormatError> {
        let header = self.header(address, at)?;
        let variable = variable::read(self.file, self.shared, at, header, head)?;
        array::plan(self.file, at, &variable, dimensions, &mut self.heaps, object)
    }

    fn assemble(self, dimensions: netcdf4::Resolved, mut arrays: Vec<Option<Node>>) -> Result<Dataset, FormatError> {
        let mut decoder =
            Decoder { file: self.file, heaps: &self.heaps, text_left: limits::TEXT_BYTES, notes: self.notes.clone() };
        let mut dataset = Dataset { format: DatasetFormat::Hdf5, ..Dataset::default() };
        let mut groups: Vec<_> = dimensions.groups.into_iter().map(Some).collect();
        let mut stack = vec![0];
        while let Some(number) = stack.pop() {
            let group = &self.tree.groups[number];
            let at = self.at(&group.path);
            let attributes = decode(&mut decoder, &at, self.attributes_of(group.address))?;
            let dimensions = groups[number].take().unwrap_or_default();
            dataset.nodes.insert(group.path.clone(), Node::Group(Group { attributes, dimensions }));
            for number in &group.datasets {
                let Some(mut node) = arrays[*number].take() else { continue };
                let child = &self.tree.datasets[*number];
                let at = self.at(&child.path);
                if let Node::Array(array) = &mut node {
                    let flags = std::mem::take(&mut array.metadata.attributes);
                    array.metadata.attributes = decode(&mut decoder, &at, self.attributes_of(child.address))?;
                    if !flags.keys().any(|name| array.metadata.attributes.contains_key(name)) {
                        array.metadata.attributes.extend(flags);
                    }
                }
                let path = variable_path(&child.path, &dataset, &mut decoder.notes);
                dataset.nodes.insert(path, node);
            }
            for (path, _, refusal) in self.tree.refused.iter().filter(|(_, parent, _)| *parent == number) {
                dataset.nodes.insert(path.clone(), Node::Refused(refusal.clone()));
            }
            stack.extend(group.groups.iter().rev());
        }
        dataset.notes = decoder.notes;
        Ok(dataset)
    }
}

/// The path of a variable: without the mark of those that have the name of a dimension without being its coordinate.
fn variable_path(path: &NodePath, dataset: &Dataset, notes: &mut Vec<String>) -> NodePath {
    let Some(name) = path.name().strip_prefix(netcdf4::NON_COORDINATE) else { return path.clone() };
    let plain = NodeName::new(name).map(|name| path.parent().child(&name));
    match plain {
        Ok(plain) if !dataset.nodes.contains_key(&plain) => plain,
        _ => {
            notes.push(format!("{path} keeps its name, because that without the mark is taken"));
            path.clone()
        }
    }
}

fn decode(decoder: &mut Decoder<'_>, at: &At, raw: &[RawAttribute]) -> Result<Attributes, FormatError> {
    let mut attributes = Attributes::new();
    for attribute in raw.iter().filter(|attribute| !netcdf4::is_bookkeeping(&attribute.name)) {
        if let Some(value) = decoder.decode(at, attribute)? {
            attributes.insert(attribute.name.clone(), value);
        }
    }
    Ok(attributes)
}

/// What concerns one dataset alone becomes its refusal; everything else is an error of the whole file.
fn refuse<T>(result: Result<T, FormatError>) -> Result<Result<T, Refusal>, FormatError> {
    match result {
        Ok(found) => Ok(Ok(found)),
        Err(FormatError::Unsupported { code, what, .. }) => Ok(Err(Refusal { code, what })),
        Err(error @ FormatError::Limit { .. }) => {
            let code = error.code();
            let FormatError::Limit { what, value, limit, .. } = error else { return Err(error) };
            Ok(Err(Refusal { code, what: format!("{what} is {value}, more than the {limit} that firn accepts") }))
        }
        Err(error) => Err(error),
    }
}
