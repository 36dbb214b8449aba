//! Resolves the mapping options against the columns of a file: which part of a record fills which place in an event.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
};

use martech_core::event::{Currency, Facts};

use super::{
    amount::Notation,
    members::text_of,
    options::ImportOptions,
    target::{Field, Target},
    terms::{Flag, Terms},
    time::TimeReader,
};

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A column, counted from 0.
    Column(usize),
    /// A column that stays text, even if it looks like a number.
    Text(usize),
    /// A member of a JSON object, by its name or by names joined with dots.
    Member(String),
    /// The same text for every record.
    Constant(String),
}

/// The object `properties`, or an object in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) children: BTreeMap<String, Child>,
}

impl Source {
    fn into_text(self) -> Self {
        if let Self::Column(column) = self { Self::Text(column) } else { self }
    }
}

/// A property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Child {
    Value(Source),
    Object(Node),
}

/// The sources of all parts of an event.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Sources of the fields, in the order of [`Field::ALL`].
    pub(crate) fields: [Option<Source>; Field::ALL.len()],
    /// The source of the whole `properties` object. The tree in `properties` overrides its members.
    pub(crate) base: Option<Source>,
    pub(crate) properties: Node,
    /// Names of members that are not properties of their own name, because they have another place in the event.
    pub(crate) taken: HashSet<String>,
    /// Names of properties that are left out, because the options drop them, or because they would take precedence over a
    /// mapped property for the same figure.
    pub(crate) shadowed: BTreeSet<Cow<'static, str>>,
    /// The columns that are left out because their names are shadowed.
    pub(crate) left_out: Vec<String>,
    /// Whether the remaining columns become properties.
    pub(crate) keep_rest: bool,
    pub(crate) renames: HashMap<String, String>,
    pub(crate) times: TimeReader,
    pub(crate) numbers: Notation,
    pub(crate) nulls: Nulls,
    /// Currency of orders without one. `None` if the receiving server knows it.
    pub(crate) currency: Option<Currency>,
    /// Whether events must contain the currency, because the receiver may assume another one.
    pub(crate) names_currency: bool,
    /// How messages name options.
    pub(crate) terms: Terms,
}

/// Texts that mean that a value is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// `NULL` and `\N` in columns without quotes, as databases write them.
    Usual,
    /// These texts, in any column and in JSON strings.
    These(Vec<String>),
}

impl Nulls {
    /// Returns whether the text of a column means an absent value.
    pub(crate) fn column(&self, text: &str, is_quoted: bool) -> bool {
        match self {
            Self::Usual => !is_quoted && matches!(text.trim(), "NULL" | "\\N"),
            Self::These(texts) => texts.iter().any(|null| null == text.trim()),
        }
    }

    /// Returns whether JSON strings can mean an absent value.
    pub(crate) fn are_in_json(&self) -> bool {
        matches!(self, Self::These(texts) if !texts.is_empty())
    }

    /// Returns whether a JSON value means an absent value: `null`, or a string in the list.
    pub(crate) fn json(&self, value: &str) -> bool {
        let is_named = |texts: &[String]| {
            !texts.is_empty()
                && value.starts_with('"')
                && text_of(value).is_some_and(|text| texts.iter().any(|null| null == text.trim()))
        };
        value == "null" || matches!(self, Self::These(texts) if is_named(texts))
    }
}

/// The options contradict each other or do not fit the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LayoutError {
    #[error("{0} is given twice")]
    Twice(Target),
    #[error("{0} cannot be both a value and an object")]
    Overlap(Target),
    #[error("there is no column {column:?}; the columns are {columns}")]
    NoColumn { target: Target, column: String, columns: String },
    #[error("there is no column {column:?} to drop; the columns are {columns}")]
    NoDroppedColumn { column: String, columns: String },
    #[error("two columns are named {name:?}; rename them with {}", terms.name(Flag::Columns))]
    SameName { name: String, terms: Terms },
    #[error(
        "the column {name:?} conflicts with another property; assign it with {} or drop it with {}",
        terms.name(Flag::Map),
        terms.name(Flag::OnlyMapped)
    )]
    ColumnOverlap { name: String, terms: Terms },
}

impl LayoutError {
    /// Returns the field that is mapped or set in a way that does not fit.
    pub(crate) fn target(&self) -> Option<&Target> {
        match self {
            Self::Twice(target) | Self::Overlap(target) | Self::NoColumn { target, .. } => Some(target),
            Self::NoDroppedColumn { .. } | Self::SameName { .. } | Self::ColumnOverlap { .. } => None,
        }
    }
}

fn no_column(target: &Target, column: &str, columns: &[String]) -> LayoutError {
    LayoutError::NoColumn { target: target.clone(), column: column.to_owned(), columns: columns.join(", ") }
}

impl Layout {
    /// Returns the layout for records that are JSON objects.
    pub(crate) fn for_objects(options: &ImportOptions) -> Result<Self, LayoutError> {
        let mut layout = Self::with_constants(options)?;
        for (target, member) in &options.maps {
            layout.insert(target, Source::Member(member.clone()))?;
            layout.taken.insert(member.clone());
        }
        let is_dropped = |name: &str| options.drops.iter().any(|drop| drop == name);
        for field in Field::ALL {
            layout.taken.insert(field.name().to_owned());
            if !is_dropped(field.name()) {
                layout.fields[field as usize].get_or_insert_with(|| Source::Member(field.name().to_owned()));
            }
        }
        if !is_dropped("properties") {
            layout.base.get_or_insert_with(|| Source::Member("properties".to_owned()));
        }
        layout.shadow();
        for drop in &options.drops {
            match drop.strip_prefix("properties.") {
                Some(name) => _ = layout.shadowed.insert(name.to_owned().into()),
                None => _ = layout.taken.insert(drop.clone()),
            }
        }
        // `receivedAt` appears in the events of a journey response. The time of this import replaces it.
        layout.taken.extend(["properties".to_owned(), "receivedAt".to_owned()]);
        Ok(layout)
    }

    /// Returns the layout for records with these columns.
    pub(crate) fn for_columns(options: &ImportOptions, columns: &[String]) -> Result<Self, LayoutError> {
        let mut layout = Self::with_constants(options)?;
        let mut indices = HashMap::new();
        for (index, name) in columns.iter().enumerate() {
            if indices.insert(name.as_str(), index).is_some() {
                return Err(LayoutError::SameName { name: name.clone(), terms: options.terms });
            }
        }
        // Columns that have a place, or none.
        let mut settled = HashSet::new();
        for (target, column) in &options.maps {
            let index = *indices.get(column.as_str()).ok_or_else(|| no_column(target, column, columns))?;
            layout.insert(target, Source::Column(index))?;
            settled.insert(index);
        }
        for drop in &options.drops {
            let no_column = || LayoutError::NoDroppedColumn { column: drop.clone(), columns: columns.join(", ") };
            settled.insert(*indices.get(drop.as_str()).ok_or_else(no_column)?);
        }
        layout.shadow();
        for (index, name) in columns.iter().enumerate().filter(|(index, _)| !settled.contains(index)) {
            let target = match name.parse() {
                Ok(target) => target,
                Err(_) if options.only_mapped || name == "receivedAt" => continue,
                Err(_) => Target::Property(vec![name.clone()]),
            };
            if matches!(&target, Target::Property(path) if matches!(&path[..], [name] if layout.shadowed.contains(&**name)))
            {
                layout.left_out.push(name.clone());
                continue;
            }
            match layout.insert(&target, Source::Column(index)) {
                // --map and --set take precedence over a column of that name.
                Ok(()) | Err(LayoutError::Twice(_)) => {}
                Err(_) => return Err(LayoutError::ColumnOverlap { name: name.clone(), terms: options.terms }),
            }
        }
        Ok(layout)
    }

    fn with_constants(options: &ImportOptions) -> Result<Self, LayoutError> {
        let mut layout = Self {
            fields: Default::default(),
            base: None,
            properties: Node::default(),
            taken: HashSet::new(),
            shadowed: BTreeSet::new(),
            left_out: Vec::new(),
            keep_rest: !options.only_mapped,
            renames: options.renames.iter().cloned().collect(),
            times: TimeReader::new(options.time_format.clone(), options.time_zone.clone(), options.terms),
            numbers: options.numbers,
            nulls: options.nulls.clone().map_or(Nulls::Usual, Nulls::These),
            currency: options.currency,
            names_currency: options.names_currency,
            terms: options.terms,
        };
        for (target, value) in &options.constants {
            layout.insert(target, Source::Constant(value.clone()))?;
        }
        Ok(layout)
    }

    /// Finds the properties that would take precedence over a mapped or set one for the same figure.
    fn shadow(&mut self) {
        let mapped = &self.properties.children;
        let before = mapped.keys().flat_map(|name| Facts::before(name));
        self.shadowed = before.copied().filter(|name| !mapped.contains_key(*name)).map(Cow::Borrowed).collect();
    }

    fn insert(&mut self, target: &Target, source: Source) -> Result<(), LayoutError> {
        let twice = || LayoutError::Twice(target.clone());
        let slot = match target {
            Target::Field(field) => &mut self.fields[*field as usize],
            Target::Property(path) => match path.as_slice() {
                [] => &mut self.base,
                [name] if Facts::is_text(name) => return self.properties.insert(target, &[], name, source.into_text()),
                [parents @ .., name] => return self.properties.insert(target, parents, name, source),
            },
        };
        if slot.is_some() {
            return Err(twice());
        }
        *slot = Some(source);
        Ok(())
    }
}

impl Node {
    fn insert(&mut self, target: &Target, parents: &[String], name: &str, source: Source) -> Result<(), LayoutError> {
        let mut node = self;
        for parent in parents {
            match node.children.entry(parent.clone()).or_insert_with(|| Child::Object(Self::default())) {
                Child::Object(object) => node = object,
                Child::Value(_) => return Err(LayoutError::Overlap(target.clone())),
            }
        }
        match node.children.get(name) {
            None => {
                node.children.insert(name.to_owned(), Child::Value(source));
                Ok(())
            }
            Some(Child::Value(_)) => Err(LayoutError::Twice(target.clone())),
            Some(Child::Object(_)) => Err(LayoutError::Overlap(target.clone())),
        }
    }
}
