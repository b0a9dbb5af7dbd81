//! `POST /contacts/search` and `GET /contacts`.

use std::cmp::Ordering;

use serde_json::{Value, json};

use crate::attribute_store::{DataType, Model};
use crate::contact_store::Contact;
use crate::errors::{ApiError, Result};
use crate::fields;
use crate::message::{ApiRequest, ApiResponse};
use crate::state::State;

const PER_PAGE: usize = 50;
const PER_PAGE_LIMIT: usize = 150;
const FILTERS_PER_GROUP: usize = 15;
const NESTING_LIMIT: usize = 2;
const DAY_SECONDS: i64 = 86_400;

/// A checked query.
#[derive(Debug)]
enum Query {
    All(Vec<Query>),
    Any(Vec<Query>),
    Filter {
        field: Field,
        operator: Operator,
        value: Value,
    },
}

#[derive(Debug)]
struct Field {
    name: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Email,
    Number,
    Date,
    Boolean,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Equal,
    NotEqual,
    In,
    NotIn,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Contains,
    NotContains,
    StartsWith,
    EndsWith,
}

#[derive(Debug)]
struct Sort {
    field: String,
    descending: bool,
}

impl State {
    /// `POST /contacts/search`. Sees contacts as they were `search_lag_seconds` ago; archived,
    /// merged and deleted ones disappear at once.
    pub(crate) fn search_contacts(&self, body: &Value) -> Result<ApiResponse> {
        let body = fields::object(body)?;
        let query = body
            .get("query")
            .ok_or_else(|| ApiError::parameter_not_found("query not specified"))?;
        let query = self.parse_query(query, 0)?;
        let sort = parse_sort(body.get("sort"))?;
        let pagination = body.get("pagination").unwrap_or(&Value::Null);
        let per_page = match pagination.get("per_page") {
            None | Some(Value::Null) => PER_PAGE,
            Some(value) => value
                .as_u64()
                .and_then(|number| usize::try_from(number).ok())
                .filter(|number| (1..=PER_PAGE_LIMIT).contains(number))
                .ok_or_else(|| {
                    ApiError::parameter_invalid(format!(
                        "per_page must be between 1 and {PER_PAGE_LIMIT}"
                    ))
                })?,
        };
        let after = pagination.get("starting_after").and_then(Value::as_str);

        let (now, lag) = (self.clock.now(), self.search_lag());
        let mut found: Vec<&Contact> = self
            .contacts
            .all()
            .filter(|contact| contact.is_active())
            .filter_map(|contact| self.contacts.version_seen(contact, now, lag))
            .filter(|contact| matches(contact, &query))
            .collect();
        found.sort_by(|one, other| {
            let order = sort_value(one, &sort.field)
                .cmp(&sort_value(other, &sort.field))
                .then_with(|| one.id.cmp(&other.id));
            if sort.descending {
                order.reverse()
            } else {
                order
            }
        });
        self.contact_page(&found, per_page, after)
    }

    /// `GET /contacts`: all of them, without lag.
    pub(crate) fn list_contacts(&self, request: &ApiRequest) -> Result<ApiResponse> {
        let per_page = request
            .query_value("per_page")
            .and_then(|number| number.parse().ok())
            .unwrap_or(PER_PAGE)
            .clamp(1, PER_PAGE_LIMIT);
        let after = request.query_value("starting_after");
        let found: Vec<&Contact> = self
            .contacts
            .all()
            .filter(|contact| contact.is_active())
            .collect();
        self.contact_page(&found, per_page, after.as_deref())
    }

    /// One page. The cursor is the id of the last contact of the page before.
    fn contact_page(
        &self,
        found: &[&Contact],
        per_page: usize,
        after: Option<&str>,
    ) -> Result<ApiResponse> {
        let start = match after.filter(|cursor| !cursor.is_empty()) {
            None => 0,
            Some(cursor) => found
                .iter()
                .position(|contact| contact.id == cursor)
                .map(|position| position + 1)
                .ok_or_else(|| ApiError::parameter_invalid("starting_after is invalid"))?,
        };
        let end = (start + per_page).min(found.len());
        let data: Vec<Value> = found[start..end]
            .iter()
            .map(|contact| self.contact_json(contact))
            .collect();
        let mut pages = json!({
            "type": "pages",
            "page": start / per_page + 1,
            "per_page": per_page,
            "total_pages": found.len().div_ceil(per_page),
        });
        if end < found.len() {
            pages["next"] = json!({"per_page": per_page, "starting_after": found[end - 1].id});
        }
        Ok(ApiResponse::ok(json!({
            "type": "list",
            "data": data,
            "total_count": found.len(),
            "pages": pages,
        })))
    }

    fn parse_query(&self, query: &Value, depth: usize) -> Result<Query> {
        let operator = query
            .get("operator")
            .and_then(Value::as_str)
            .ok_or_else(|| ApiError::parameter_invalid("operator not specified"))?;
        let value = query.get("value").unwrap_or(&Value::Null);
        if let "AND" | "OR" = operator {
            let filters = value
                .as_array()
                .ok_or_else(|| ApiError::parameter_invalid("value of a group must be an array"))?;
            if filters.len() > FILTERS_PER_GROUP {
                return Err(ApiError::parameter_invalid(format!(
                    "A group can't have more than {FILTERS_PER_GROUP} filters"
                )));
            }
            if depth >= NESTING_LIMIT {
                return Err(ApiError::parameter_invalid(format!(
                    "Filters can't be nested more than {NESTING_LIMIT} times"
                )));
            }
            let parsed = filters
                .iter()
                .map(|filter| self.parse_query(filter, depth + 1))
                .collect::<Result<Vec<Query>>>()?;
            return Ok(if operator == "AND" {
                Query::All(parsed)
            } else {
                Query::Any(parsed)
            });
        }
        let operator = parse_operator(operator)?;
        let name = query
            .get("field")
            .and_then(Value::as_str)
            .ok_or_else(|| ApiError::parameter_invalid("field not specified"))?;
        let field = Field {
            name: name.to_owned(),
            kind: self.field_kind(name)?,
        };
        check_value(&field, operator, value)?;
        Ok(Query::Filter {
            field,
            operator,
            value: value.clone(),
        })
    }

    fn field_kind(&self, name: &str) -> Result<Kind> {
        let kind = match name {
            "email" => Some(Kind::Email),
            "id" | "role" | "name" | "phone" | "external_id" | "owner_id" | "avatar"
            | "email_domain" => Some(Kind::Text),
            "created_at" | "updated_at" | "signed_up_at" | "last_seen_at" => Some(Kind::Date),
            "unsubscribed_from_emails" | "has_hard_bounced" | "marked_email_as_spam" => {
                Some(Kind::Boolean)
            }
            other => other.strip_prefix("custom_attributes.").and_then(|name| {
                let attribute = self.attributes.find(Model::Contact, name)?;
                Some(match attribute.data_type {
                    DataType::String | DataType::Options => Kind::Text,
                    DataType::Integer | DataType::Float => Kind::Number,
                    DataType::Boolean => Kind::Boolean,
                    DataType::Date | DataType::DateTime => Kind::Date,
                })
            }),
        };
        kind.ok_or_else(|| {
            ApiError::parameter_invalid(format!("Invalid search field '{name}'")).with_field(name)
        })
    }
}

fn parse_operator(text: &str) -> Result<Operator> {
    Ok(match text {
        "=" => Operator::Equal,
        "!=" => Operator::NotEqual,
        "IN" => Operator::In,
        "NIN" => Operator::NotIn,
        ">" => Operator::Greater,
        "<" => Operator::Less,
        ">=" => Operator::GreaterOrEqual,
        "<=" => Operator::LessOrEqual,
        "~" => Operator::Contains,
        "!~" => Operator::NotContains,
        "^" => Operator::StartsWith,
        "$" => Operator::EndsWith,
        other => {
            return Err(ApiError::parameter_invalid(format!(
                "Invalid operator '{other}'"
            )));
        }
    })
}

/// Refuses operators that a field's type doesn't have, and values of another type.
fn check_value(field: &Field, operator: Operator, value: &Value) -> Result<()> {
    let has_operator = match (field.kind, operator) {
        (_, Operator::Equal) => true,
        (kind, Operator::NotEqual | Operator::In | Operator::NotIn) => kind != Kind::Date,
        (kind, Operator::Greater | Operator::Less) => matches!(kind, Kind::Number | Kind::Date),
        (kind, Operator::GreaterOrEqual | Operator::LessOrEqual) => kind == Kind::Number,
        (kind, _) => matches!(kind, Kind::Text | Kind::Email),
    };
    if !has_operator {
        return Err(ApiError::parameter_invalid(format!(
            "Operator not supported on field '{}'",
            field.name
        )));
    }
    let fits = |value: &Value| match field.kind {
        Kind::Text | Kind::Email => value.is_string() || value.is_null(),
        Kind::Number | Kind::Date => number(value).is_some() || value.is_null(),
        Kind::Boolean => value.is_boolean() || value.is_null(),
    };
    let valid = match operator {
        Operator::In | Operator::NotIn => value.as_array().is_some_and(|all| all.iter().all(fits)),
        _ => fits(value),
    };
    if valid {
        Ok(())
    } else {
        Err(
            ApiError::parameter_invalid(format!("Invalid value for field '{}'", field.name))
                .with_field(&field.name),
        )
    }
}

fn parse_sort(sort: Option<&Value>) -> Result<Sort> {
    let text = |key| sort.and_then(|sort| sort.get(key)).and_then(Value::as_str);
    let descending = match text("order") {
        None | Some("ascending") => false,
        Some("descending") => true,
        Some(other) => {
            return Err(ApiError::new(
                400,
                "invalid_sort_order",
                format!("Invalid sort order '{other}'. Must be one of: ascending, descending"),
            ));
        }
    };
    Ok(Sort {
        field: text("field").unwrap_or("created_at").to_owned(),
        descending,
    })
}

/// Contacts are sorted by a timestamp; any other field leaves them in the order of creation.
fn sort_value(contact: &Contact, field: &str) -> Option<i64> {
    match field {
        "updated_at" => Some(contact.updated_at),
        "signed_up_at" => contact.signed_up_at,
        "last_seen_at" => contact.last_seen_at,
        _ => Some(contact.created_at),
    }
}

fn matches(contact: &Contact, query: &Query) -> bool {
    match query {
        Query::All(filters) => filters.iter().all(|filter| matches(contact, filter)),
        Query::Any(filters) => filters.iter().any(|filter| matches(contact, filter)),
        Query::Filter {
            field,
            operator,
            value,
        } => matches_filter(
            &stored_value(contact, &field.name),
            field.kind,
            *operator,
            value,
        ),
    }
}

fn matches_filter(stored: &Value, kind: Kind, operator: Operator, value: &Value) -> bool {
    let among = || {
        value
            .as_array()
            .is_some_and(|all| all.iter().any(|one| equal(stored, one, kind)))
    };
    let order = || compare(stored, value, kind);
    let texts = || Some((fold(stored.as_str()?), fold(value.as_str()?)));
    match operator {
        Operator::Equal => equal(stored, value, kind),
        Operator::NotEqual => !equal(stored, value, kind),
        Operator::In => among(),
        Operator::NotIn => !among(),
        Operator::Greater => order() == Some(Ordering::Greater),
        Operator::Less => order() == Some(Ordering::Less),
        Operator::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
        Operator::LessOrEqual => order().is_some_and(Ordering::is_le),
        Operator::Contains => texts().is_some_and(|(text, part)| text.contains(&part)),
        Operator::NotContains => texts().is_none_or(|(text, part)| !text.contains(&part)),
        Operator::StartsWith => texts().is_some_and(|(text, part)| text.starts_with(&part)),
        Operator::EndsWith => texts().is_some_and(|(text, part)| text.ends_with(&part)),
    }
}

fn equal(stored: &Value, value: &Value, kind: Kind) -> bool {
    if stored.is_null() || value.is_null() {
        return stored.is_null() && value.is_null();
    }
    match kind {
        Kind::Email => {
            stored.as_str().map(str::to_lowercase) == value.as_str().map(str::to_lowercase)
        }
        Kind::Number | Kind::Date => compare(stored, value, kind) == Some(Ordering::Equal),
        Kind::Text | Kind::Boolean => stored == value,
    }
}

/// Dates are compared by calendar day (UTC), as documented.
fn compare(stored: &Value, value: &Value, kind: Kind) -> Option<Ordering> {
    let (stored, value) = (number(stored)?, number(value)?);
    if kind == Kind::Date {
        let day = |seconds: f64| (seconds as i64).div_euclid(DAY_SECONDS);
        return Some(day(stored).cmp(&day(value)));
    }
    stored.partial_cmp(&value)
}

/// A number, also one written as a string, as the description's own examples do.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    }
}

fn fold(text: &str) -> String {
    text.to_lowercase()
}

fn stored_value(contact: &Contact, field: &str) -> Value {
    match field {
        "id" => json!(contact.id),
        "role" => json!(contact.role),
        "external_id" => json!(contact.external_id),
        "email" => json!(contact.email),
        "email_domain" => json!(
            contact
                .email
                .as_deref()
                .and_then(|email| email.rsplit_once('@'))
                .map(|(_, domain)| domain)
        ),
        "name" => json!(contact.name),
        "phone" => json!(contact.phone),
        "owner_id" => json!(contact.owner_id),
        "avatar" => json!(contact.avatar),
        "created_at" => json!(contact.created_at),
        "updated_at" => json!(contact.updated_at),
        "signed_up_at" => json!(contact.signed_up_at),
        "last_seen_at" => json!(contact.last_seen_at),
        "unsubscribed_from_emails" => json!(contact.unsubscribed_from_emails),
        "has_hard_bounced" | "marked_email_as_spam" => json!(false),
        other => other
            .strip_prefix("custom_attributes.")
            .and_then(|name| contact.custom_attributes.get(name))
            .cloned()
            .unwrap_or(Value::Null),
    }
}
