//! The hierarchy of groups and datasets: found breadth-first, one batch of reads a level, then named from the root.

use super::file::File;
use super::group;
use super::limits;
use super::message::kind;
use super::message::link::{Link, Target};
use super::object_header::{self, ObjectHeader};
use super::superblock::Superblock;
use crate::FormatError;
use firn_model::dataset::{NodeName, NodePath, Refusal};
use firn_model::diagnose::At;
use std::collections::{HashMap, HashSet};

/// All objects that hard links reach from the root.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub headers: HashMap<u64, ObjectHeader>,
    links: HashMap<u64, Vec<Link>>,
}

/// A group under one of its names.
#[derive(Debug)]
pub(super) struct GroupNode {
    pub path: NodePath,
    pub address: u64,
    pub parent: Option<usize>,
    /// Numbers of its groups, in the order of the file.
    pub groups: Vec<usize>,
    /// Numbers of its datasets, in the order of the file.
    pub datasets: Vec<usize>,
}

/// A dataset under one of its names.
#[derive(Debug)]
pub(super) struct DatasetNode {
    pub path: NodePath,
    pub address: u64,
}

/// Every object under each of its names.
#[derive(Debug, Default)]
pub(super) struct Hierarchy {
    /// The root is the first; parents come before children.
    pub groups: Vec<GroupNode>,
    pub datasets: Vec<DatasetNode>,
    /// What is there and not read, with the group that holds it: links that lead out of the file, names that no key can hold.
    pub refused: Vec<(NodePath, usize, Refusal)>,
    pub notes: Vec<String>,
}

fn is_group(header: &ObjectHeader) -> bool {
    [kind::SYMBOL_TABLE, kind::LINK_INFO, kind::GROUP_INFO, kind::LINK].iter().any(|kind| header.has(*kind))
}

fn is_dataset(header: &ObjectHeader) -> bool {
    header.has(kind::DATASPACE) && header.has(kind::DATATYPE)
}

/// Reads the headers and links of all objects, level by level.
pub(super) fn read_objects(file: &File, superblock: &Superblock) -> Result<Objects, FormatError> {
    let mut objects = Objects::default();
    let mut level: Vec<(u64, At)> = vec![(superblock.root, file.at.node("/"))];
    for depth in 0.. {
        if level.is_empty() {
            break;
        }
        if depth > limits::DEPTH {
            return Err(FormatError::limit(&file.at, "the depth of groups", depth as u64, limits::DEPTH as u64));
        }
        let headers = object_header::read(file, &level)?;
        let groups: Vec<(&ObjectHeader, At)> = headers
            .iter()
            .zip(&level)
            .filter(|(header, _)| is_group(header))
            .map(|(h, (_, at))| (h, at.clone()))
            .collect();
        let links = group::links(file, superblock, &groups)?;
        let mut next = Vec::new();
        let mut seen: HashSet<u64> = level.iter().map(|(address, _)| *address).collect();
        for ((_, at), links) in groups.iter().zip(&links) {
            let parent = at.node.as_deref().unwrap_or("").trim_end_matches('/');
            for link in links {
                if let Target::Hard(address) = link.target
                    && !objects.headers.contains_key(&address)
                    && seen.insert(address)
                {
                    next.push((address, file.at.node(format!("{parent}/{}", link.name))));
                }
            }
        }
        let addresses =
            level.iter().zip(&headers).filter(|(_, header)| is_group(header)).map(|((address, _), _)| *address);
        objects.links.extend(addresses.zip(links));
        objects.headers.extend(level.iter().map(|(address, _)| *address).zip(headers));
        let found = objects.headers.len() + next.len();
        if found > limits::NODES {
            return Err(FormatError::limit(&file.at, "the number of objects", found as u64, limits::NODES as u64));
        }
        level = next;
    }
    Ok(objects)
}

/// Names every object from the root.
pub(super) fn name_objects(file: &File, root: u64, objects: &Objects) -> Result<Hierarchy, FormatError> {
    let mut naming =
        Naming { root, objects, names: HashMap::new(), steps: 0, path_bytes: 0, tree: Hierarchy::default() };
    for (address, links) in &objects.links {
        naming.names.extend(links.iter().map(|link| ((*address, link.name.as_str()), link)));
    }
    naming.tree.groups.push(GroupNode::new(NodePath::root(), root, None));
    let mut number = 0;
    while number < naming.tree.groups.len() {
        naming.name_children(file, number)?;
        number += 1;
    }
    Ok(naming.tree)
}

impl GroupNode {
    fn new(path: NodePath, address: u64, parent: Option<usize>) -> Self {
        Self { path, address, parent, groups: Vec::new(), datasets: Vec::new() }
    }
}

struct Naming<'o> {
    root: u64,
    objects: &'o Objects,
    names: HashMap<(u64, &'o str), &'o Link>,
    /// Parts of soft links followed so far.
    steps: usize,
    path_bytes: usize,
    tree: Hierarchy,
}

impl Naming<'_> {
    fn name_children(&mut self, file: &File, group: usize) -> Result<(), FormatError> {
        let (parent, address) = (self.tree.groups[group].path.clone(), self.tree.groups[group].address);
        let above: Vec<u64> = std::iter::successors(Some(group), |number| self.tree.groups[*number].parent)
            .map(|number| self.tree.groups[number].address)
            .collect();
        if above.len() > limits::DEPTH {
            return Err(FormatError::limit(&file.at, "the depth of groups", above.len() as u64, limits::DEPTH as u64));
        }
        for link in self.objects.links.get(&address).map(Vec::as_slice).unwrap_or_default() {
            let shown = format!("{}/{}", parent.as_str().trim_end_matches('/'), link.name);
            let (path, bad_name) = match NodeName::new(&link.name) {
                Ok(name) => (parent.child(&name), None),
                Err(why) => (parent.child(&NodeName::standing_for(&link.name)), Some(why)),
            };
            self.count(file, path.as_str().len())?;
            let tree = &mut self.tree;
            match resolve(&self.names, self.root, address, &link.target, &mut self.steps, 0) {
                Resolved::External(what) => {
                    let what = format!("it is a link to {what}, which is not followed");
                    tree.refused.push((path, group, Refusal { code: "unsupported-hdf5-external-link", what }));
                }
                Resolved::Nothing => tree.notes.push(format!("{shown} is a link that leads nowhere and is left out")),
                Resolved::Object(child) => match self.objects.headers.get(&child) {
                    Some(header) if bad_name.is_some() && (is_dataset(header) || is_group(header)) => {
                        let what = bad_name.unwrap_or_default();
                        tree.refused.push((path, group, Refusal { code: "unsupported-variable-name", what }));
                    }
                    Some(header) if is_dataset(header) => {
                        tree.groups[group].datasets.push(tree.datasets.len());
                        tree.datasets.push(DatasetNode { path, address: child });
                    }
                    Some(header) if is_group(header) && above.contains(&child) => {
                        tree.notes.push(format!("{shown} is a link to a group that holds it and is left out"));
                    }
                    Some(header) if is_group(header) => {
                        let number = tree.groups.len();
                        tree.groups[group].groups.push(number);
                        tree.groups.push(GroupNode::new(path, child, Some(group)));
                    }
                    _ => {}
                },
            }
        }
        Ok(())
    }

    /// Bounds what many names of the same objects can take.
    fn count(&mut self, file: &File, path: usize) -> Result<(), FormatError> {
        self.path_bytes += path;
        let nodes = self.tree.groups.len() + self.tree.datasets.len() + self.tree.refused.len() + self.tree.notes.len();
        for (what, value, limit) in [
            ("the number of objects by all their names", nodes, limits::NODES),
            ("the number of bytes of all paths", self.path_bytes, limits::PATH_BYTES),
            ("the number of steps along soft links", self.steps, limits::LINK_STEPS),
        ] {
            if value > limit {
                return Err(FormatError::limit(&file.at, what, value as u64, limit as u64));
            }
        }
        Ok(())
    }
}

enum Resolved {
    Object(u64),
    External(String),
    Nothing,
}

fn resolve(
    names: &HashMap<(u64, &str), &Link>,
    root: u64,
    group: u64,
    target: &Target,
    steps: &mut usize,
    depth: usize,
) -> Resolved {
    if depth > limits::SOFT_LINKS {
        return Resolved::Nothing;
    }
    let path = match target {
        Target::Hard(address) => return Resolved::Object(*address),
        Target::External(what) => return Resolved::External(what.clone()),
        Target::Soft(path) => path,
    };
    let mut here = if path.starts_with('/') { root } else { group };
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        *steps += 1;
        let link = names.get(&(here, part)).filter(|_| *steps <= limits::LINK_STEPS);
        let Some(link) = link else { return Resolved::Nothing };
        match resolve(names, root, here, &link.target, steps, depth + 1) {
            Resolved::Object(address) => here = address,
            other => return other,
        }
    }
    Resolved::Object(here)
}
