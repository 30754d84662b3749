//! Members of groups: the links of old and new groups, each listed without opening what it leads to.
//!
//! # Specification
//! HDF5 File Format Specification 3.0, III.A.1 (B-trees), III.B (symbol table nodes), III.D (local heaps),
//! IV.A.2.c and IV.A.2.g (links).

use std::collections::HashSet;

use thermocline_core::{Error, Result};

use crate::btree2::Tree;
use crate::cursor::{Cursor, text};
use crate::file::File;
use crate::header::{ObjectHeader, kind};
use crate::storage::is_fault_of_file;

/// Deepest B-tree of a group.
const MAX_TREE_DEPTH: u8 = 16;

/// Longest local heap.
const MAX_LOCAL_HEAP_BYTES: usize = 256 << 20;

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) target: Target,
    /// When it was created, if the group keeps that.
    order: Option<u64>,
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// To an object header.
    Hard(u64),
    /// To a path in the same file.
    Soft(String),
    /// To a path in another file.
    External { file: String, path: String },
    /// Somewhere that only an application knows.
    UserDefined(u8),
    /// Nowhere: what the link says cannot be read.
    Unreadable(String),
}

/// The members of a group.
#[derive(Debug, Default)]
pub(crate) struct Members {
    /// In the order of creation where the file keeps it, else by name.
    pub(crate) links: Vec<Link>,
    /// Why links are missing whose names cannot be read, one reason each.
    pub(crate) nameless: Vec<String>,
}

impl Members {
    /// Adds a link; one that is damaged loses only itself.
    ///
    /// # Errors
    /// Those of stores that do not answer.
    fn add(&mut self, link: Result<Link>) -> Result<()> {
        match link {
            Ok(link) => self.links.push(link),
            Err(error) if is_fault_of_file(&error) => self.nameless.push(error.to_string()),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.links.len() + self.nameless.len()
    }
}

/// True if the header is that of a group.
pub(crate) fn is_group(header: &ObjectHeader) -> bool {
    [kind::SYMBOL_TABLE, kind::LINK_INFO, kind::LINK, kind::GROUP_INFO]
        .iter()
        .any(|kind| header.find(*kind).is_some())
}

/// The members of a group.
///
/// # Errors
/// When what lists the links is damaged: nobody knows then how many there are.
pub(crate) fn members(file: &File, header: &ObjectHeader) -> Result<Members> {
    let mut members = Members::default();
    for message in header.all(kind::LINK) {
        let body = file.body(message);
        members.add(body.and_then(|body| parse_link(&mut Cursor::new(&body, file.sizes()))))?;
    }
    if let Some(message) = header.find(kind::LINK_INFO) {
        let body = file.body(message)?;
        dense_links(file, &mut Cursor::new(&body, file.sizes()), &mut members)?;
    }
    if let Some(message) = header.find(kind::SYMBOL_TABLE) {
        let mut cursor = Cursor::new(&message.body, file.sizes());
        if let (Some(tree), Some(heap)) = (cursor.address()?, cursor.address()?) {
            old_links(file, tree, heap, &mut members)?;
        }
    }
    check_count(file, members.len())?;
    let links = &mut members.links;
    if links.iter().all(|link| link.order.is_some()) {
        links.sort_by_key(|link| link.order);
    } else {
        links.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    }
    Ok(members)
}

fn check_count(file: &File, n: usize) -> Result<()> {
    if n <= file.limits.n_nodes {
        return Ok(());
    }
    Err(Error::corrupt(format!("a group of more than {} members", file.limits.n_nodes)))
}

fn parse_link(cursor: &mut Cursor<'_>) -> Result<Link> {
    let version = cursor.u8()?;
    if version != 1 {
        return Err(Error::unsupported(format!("link version {version}")));
    }
    let flags = cursor.u8()?;
    let link_kind = if flags & 0x08 != 0 { cursor.u8()? } else { 0 };
    let order = if flags & 0x04 != 0 { Some(cursor.uint(8)?) } else { None };
    if flags & 0x10 != 0 {
        cursor.skip(1)?;
    }
    let name_len = cursor.uint(1 << (flags & 3))?;
    let name_len = usize::try_from(name_len).map_err(|_| Error::corrupt("a link's name is too long"))?;
    let name = text(cursor.take(name_len)?).0;
    let target = readable(parse_target(cursor, link_kind))?;
    Ok(Link { name, target, order })
}

fn parse_target(cursor: &mut Cursor<'_>, link_kind: u8) -> Result<Target> {
    Ok(match link_kind {
        0 => Target::Hard(cursor.address()?.ok_or_else(|| Error::corrupt("a link without address"))?),
        1 => {
            let len = usize::from(cursor.u16()?);
            Target::Soft(text(cursor.take(len)?).0)
        }
        64 => {
            cursor.skip(2 + 1)?;
            let file = text(cursor.until_nul()?).0;
            let path = text(cursor.until_nul()?).0;
            Target::External { file, path }
        }
        other => Target::UserDefined(other),
    })
}

/// A target that is damaged is one too: its link has a name.
fn readable(target: Result<Target>) -> Result<Target> {
    match target {
        Err(error) if is_fault_of_file(&error) => Ok(Target::Unreadable(error.to_string())),
        other => other,
    }
}

/// Links in a fractal heap, named by a B-tree of version 2.
fn dense_links(file: &File, cursor: &mut Cursor<'_>, members: &mut Members) -> Result<()> {
    let version = cursor.u8()?;
    if version != 0 {
        return Err(Error::unsupported(format!("link info version {version}")));
    }
    let flags = cursor.u8()?;
    if flags & 1 != 0 {
        cursor.skip(8)?;
    }
    let heap = cursor.address()?;
    let names = cursor.address()?;
    let (Some(heap), Some(names)) = (heap, names) else { return Ok(()) };
    let tree = Tree::read(file, names)?;
    if tree.kind != 5 {
        return Err(Error::corrupt(format!("a B-tree of kind {} where links are expected", tree.kind)));
    }
    let mut ids: Vec<Vec<u8>> = Vec::new();
    tree.each_record(file, file.limits.n_nodes as u64, &mut |record| {
        ids.push(record.get(4..).unwrap_or_default().to_vec());
        Ok(())
    })?;
    for id in ids {
        let body = file.heap_object(heap, &id);
        members.add(body.and_then(|body| parse_link(&mut Cursor::new(&body, file.sizes()))))?;
    }
    Ok(())
}

/// Links of groups of old files: a B-tree of version 1 whose leaves are symbol table nodes.
fn old_links(file: &File, tree: u64, heap: u64, members: &mut Members) -> Result<()> {
    let heap = LocalHeap::read(file, heap)?;
    let mut visited = HashSet::new();
    let mut nodes = vec![(tree, MAX_TREE_DEPTH)];
    while let Some((address, max_level)) = nodes.pop() {
        if !visited.insert(address) {
            return Err(Error::corrupt("the B-tree of a group has a cycle"));
        }
        check_count(file, visited.len())?;
        let head_len = 8 + 2 * file.sizes().address;
        let head = file.bytes.read(address, head_len)?;
        let mut cursor = Cursor::new(&head, file.sizes());
        cursor.expect(b"TREE")?;
        let (node_kind, level, n) = (cursor.u8()?, cursor.u8()?, usize::from(cursor.u16()?));
        if node_kind != 0 || level > max_level {
            return Err(Error::corrupt("a node that does not belong to the B-tree of a group"));
        }
        let pair = file.sizes().length + file.sizes().address;
        let bytes = file.bytes.read(address + head_len as u64, n * pair)?;
        let mut cursor = Cursor::new(&bytes, file.sizes());
        let mut children = Vec::with_capacity(n);
        for _ in 0..n {
            cursor.skip(file.sizes().length)?;
            children
                .push(cursor.address()?.ok_or_else(|| Error::corrupt("a B-tree without one of its nodes"))?);
        }
        file.bytes.prefetch(&children);
        if level > 0 {
            nodes.extend(children.into_iter().map(|child| (child, level - 1)));
            continue;
        }
        for child in children {
            if !visited.insert(child) {
                return Err(Error::corrupt("a symbol table node is twice in a group"));
            }
            symbol_table_node(file, &heap, child, members)?;
            check_count(file, members.len())?;
        }
    }
    Ok(())
}

fn symbol_table_node(file: &File, heap: &LocalHeap, address: u64, members: &mut Members) -> Result<()> {
    let head = file.bytes.read(address, 8)?;
    let mut cursor = Cursor::new(&head, file.sizes());
    cursor.expect(b"SNOD")?;
    cursor.skip(2)?;
    let n = usize::from(cursor.u16()?);
    let entry_len = 2 * file.sizes().address + 24;
    let bytes = file.bytes.read(address + 8, n * entry_len)?;
    bytes
        .chunks_exact(entry_len)
        .try_for_each(|entry| members.add(old_link(&mut Cursor::new(entry, file.sizes()), file, heap)))
}

/// Reads an entry of a symbol table.
fn old_link(cursor: &mut Cursor<'_>, file: &File, heap: &LocalHeap) -> Result<Link> {
    let name = heap.text(cursor.uint(file.sizes().address)?)?;
    let header = cursor.address()?;
    let cache = cursor.u32()?;
    cursor.skip(4)?;
    let target = match (cache, header) {
        (2, _) => heap.text(u64::from(cursor.u32()?)).map(Target::Soft),
        (_, Some(header)) => Ok(Target::Hard(header)),
        (_, None) => Err(Error::corrupt(format!("the member {name:?} has no address"))),
    };
    Ok(Link { name, target: readable(target)?, order: None })
}

/// The texts of an old group or of a list of external files.
pub(crate) struct LocalHeap {
    bytes: bytes::Bytes,
}

impl LocalHeap {
    pub(crate) fn read(file: &File, address: u64) -> Result<Self> {
        let sizes = file.sizes();
        let head = file.bytes.read(address, 8 + 2 * sizes.length + sizes.address)?;
        let mut cursor = Cursor::new(&head, sizes);
        cursor.expect(b"HEAP")?;
        let version = cursor.u8()?;
        if version != 0 {
            return Err(Error::unsupported(format!("local heap version {version}")));
        }
        cursor.skip(3)?;
        let len = cursor.length_usize()?;
        cursor.skip(sizes.length)?;
        let data = cursor.address()?.ok_or_else(|| Error::corrupt("a local heap without data"))?;
        if len > MAX_LOCAL_HEAP_BYTES {
            return Err(Error::corrupt(format!("a local heap of {len} bytes")));
        }
        Ok(Self { bytes: file.bytes.read(data, len)? })
    }

    /// The text at a position of the heap.
    pub(crate) fn text(&self, position: u64) -> Result<String> {
        let rest = usize::try_from(position).ok().and_then(|position| self.bytes.get(position..));
        let rest = rest.ok_or_else(|| Error::corrupt("a name lies outside its heap"))?;
        let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        Ok(text(rest.get(..end).unwrap_or_default()).0)
    }
}
