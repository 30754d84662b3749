//! The types of problems, each with a page below `/problems/` that explains it.

use http::StatusCode;

/// A type of problem.
#[derive(Debug, PartialEq, Eq)]
pub struct ProblemType {
    /// Last segment of its path, `/problems/{name}`.
    pub name: &'static str,
    /// One line, the same for every problem of the type.
    pub title: &'static str,
    /// Status that its answers have.
    pub status: u16,
    /// What it means and what a client can do.
    pub explanation: &'static str,
}

impl ProblemType {
    /// Status of its answers.
    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// What the path names does not exist.
pub static NOT_FOUND: ProblemType = ProblemType {
    name: "not-found",
    title: "Not found",
    status: 404,
    explanation: "What the path names does not exist: the detail says which part of it. \
        Of a chunk of an array it means that the chunk was never written, so that it reads as the fill value.",
};

/// The request makes no sense.
pub static INVALID_INPUT: ProblemType = ProblemType {
    name: "invalid-input",
    title: "Invalid request",
    status: 400,
    explanation: "A part of the request makes no sense. The detail names it; the field allowed, if there, \
        lists what would have been right.",
};

/// The request asks for more than a limit allows.
pub static TOO_LARGE: ProblemType = ProblemType {
    name: "too-large",
    title: "Too large",
    status: 413,
    explanation: "The request asks for more than a limit of this server allows. Ask for a smaller part.",
};

/// The dataset or the variable cannot be served.
pub static REFUSED: ProblemType = ProblemType {
    name: "refused",
    title: "Cannot be served",
    status: 422,
    explanation: "The source of this dataset cannot be opened, or what was asked has no counterpart in this \
        protocol. The detail is the reason; the dataset's report lists all of them.",
};

/// The source changed and is being indexed.
pub static SOURCE_CHANGED: ProblemType = ProblemType {
    name: "source-changed",
    title: "Source is being indexed",
    status: 503,
    explanation: "The source of the dataset is new or changed and is being indexed. The same request works \
        soon: wait as long as Retry-After says, then open the dataset again.",
};

/// The source is gone and stays away.
pub static SOURCE_LOST: ProblemType = ProblemType {
    name: "source-lost",
    title: "Source is gone",
    status: 500,
    explanation: "A source object of the dataset vanished and stays away. Chunks answer 500, metadata 410. \
        The operator has to bring it back or remove the dataset.",
};

/// A store or a resource does not answer at present.
pub static UNAVAILABLE: ProblemType = ProblemType {
    name: "unavailable",
    title: "Unavailable at present",
    status: 503,
    explanation: "A store or a resource that the answer needs does not answer at present. Try again after \
        the time that Retry-After says.",
};

/// Objects have to be recalled first, and were not in time.
pub static NOT_STAGED: ProblemType = ProblemType {
    name: "not-staged",
    title: "Being brought online",
    status: 503,
    explanation: "What the answer is made of lies on a cold store and is being recalled; it was not online in the \
        time that the request waited. The same request works once it is: status_url shows how far it is, \
        Retry-After when to ask again. Longer waits can be asked for: 'Prefer: wait=N' or '?wait=N', in seconds.",
};

/// This reader's reads cause no recalls.
pub static STAGING_NOT_ALLOWED: ProblemType = ProblemType {
    name: "staging-not-allowed",
    title: "Has to be staged by somebody who may",
    status: 503,
    explanation: "What the answer is made of lies on a cold store, and this server recalls nothing for readers it \
        does not know, or for any. Ask with the token that its operator gave you, or stage it first with \
        POST /datasets/{id}/stage; the same request works once it is online.",
};

/// A recall did not work.
pub static RECALL_FAILED: ProblemType = ProblemType {
    name: "recall-failed",
    title: "Cannot be brought online",
    status: 500,
    explanation: "What the answer is made of lies on a cold store and could not be recalled: the detail is the \
        reason that the store gave. The operator has to look into it; asking again begins another attempt.",
};

/// Stored bytes are damaged.
pub static CORRUPT: ProblemType = ProblemType {
    name: "corrupt",
    title: "Stored bytes are damaged",
    status: 500,
    explanation: "A checksum, a length or a compressed stream of the stored bytes does not hold. They are \
        never sent as data. The operator has to repair the source.",
};

/// Something that nothing here can read.
pub static UNSUPPORTED: ProblemType = ProblemType {
    name: "unsupported",
    title: "Not supported",
    status: 500,
    explanation: "The source uses a feature that this server cannot decode. The detail names it.",
};

/// A mistake of this program.
pub static INTERNAL: ProblemType = ProblemType {
    name: "internal",
    title: "Internal error",
    status: 500,
    explanation: "A mistake of the server. The field request_id finds the cause in its log.",
};

/// A method that the path does not know.
pub static METHOD_NOT_ALLOWED: ProblemType = ProblemType {
    name: "method-not-allowed",
    title: "Method not allowed",
    status: 405,
    explanation: "The path exists, but not for this method. The header Allow lists the methods it knows.",
};

/// `If-Match` or `If-Unmodified-Since` does not hold.
pub static PRECONDITION_FAILED: ProblemType = ProblemType {
    name: "precondition-failed",
    title: "Precondition failed",
    status: 412,
    explanation: "The request asks for another state than the present one (If-Match, If-Unmodified-Since).",
};

/// The range lies outside the body.
pub static RANGE_NOT_SATISFIABLE: ProblemType = ProblemType {
    name: "range-not-satisfiable",
    title: "Range not satisfiable",
    status: 416,
    explanation: "No byte of the range that was asked exists. Content-Range says how many bytes there are.",
};

/// The request took longer than the server waits.
pub static TIMEOUT: ProblemType = ProblemType {
    name: "timeout",
    title: "Took too long",
    status: 503,
    explanation: "The answer took longer than the server waits. Ask for less, or try again later.",
};

/// Credentials are needed, or those that came are not good.
pub static CREDENTIALS_NEEDED: ProblemType = ProblemType {
    name: "credentials-needed",
    title: "Credentials needed",
    status: 401,
    explanation: "This call needs a token of this server, as Authorization: Bearer TOKEN, or as the password of \
        Basic authentication. The detail says whether one came and why it is not good. Reading needs none.",
};

/// The client is known, or nothing would help, and it may not do this.
pub static NOT_ALLOWED: ProblemType = ProblemType {
    name: "not-allowed",
    title: "Not allowed",
    status: 403,
    explanation: "This client may not do what it asked for. The detail names the right that is missing; the \
        operator of the server gives rights to tokens and networks.",
};

/// What was asked cannot be done in the present state.
pub static WRONG_STATE: ProblemType = ProblemType {
    name: "wrong-state",
    title: "Wrong state",
    status: 409,
    explanation: "What was asked makes no sense in the present state of the thing, which the detail names.",
};

/// An idempotency key came a second time with another body.
pub static KEY_REUSED: ProblemType = ProblemType {
    name: "idempotency-key-reused",
    title: "Idempotency key used for another request",
    status: 422,
    explanation: "The Idempotency-Key was used within 24 hours for a request with another body. Repeat the very \
        same request, or take a new key.",
};

/// More than the client's share.
pub static TOO_MANY: ProblemType = ProblemType {
    name: "too-many",
    title: "Too many at once",
    status: 429,
    explanation: "A limit on what goes on at the same time is reached, of this client or of the server. The detail \
        names it. Try again after the time that Retry-After says.",
};

/// An owner has used up what it may have.
pub static QUOTA: ProblemType = ProblemType {
    name: "quota",
    title: "Quota used up",
    status: 429,
    explanation: "What you may have recalled, pinned or spent is used up, or would be with this. The detail says how \
        much that is. Try again after the time that Retry-After says, release what you need no more, or ask for less.",
};

/// What was asked for has no picture.
pub static UNDRAWABLE: ProblemType = ProblemType {
    name: "undrawable",
    title: "Cannot be drawn",
    status: 422,
    explanation: "The variable exists, but it has no picture of that kind: its values are texts, or it has too few \
        dimensions. The detail says which; /datasets/{id}/plot lists what can be drawn.",
};

/// A diagnostic that the values do not have.
pub static UNCOMPUTABLE: ProblemType = ProblemType {
    name: "uncomputable",
    title: "Cannot be computed",
    status: 422,
    explanation: "The request is understood, but these values have no such result: an action that their type does not \
        have, times that cannot be decoded, an integer beyond 64 bits. The detail names what stands in the way.",
};

/// No form of an answer is one that the client takes.
pub static NOT_ACCEPTABLE: ProblemType = ProblemType {
    name: "not-acceptable",
    title: "No acceptable form",
    status: 406,
    explanation: "The answer has none of the media types that the Accept header names, or this server cannot write \
        the form that f asks for. The member allowed lists what it can write.",
};

/// Every type that has a page.
pub static TYPES: [&ProblemType; 26] = [
    &NOT_FOUND,
    &INVALID_INPUT,
    &TOO_LARGE,
    &REFUSED,
    &SOURCE_CHANGED,
    &SOURCE_LOST,
    &UNAVAILABLE,
    &NOT_STAGED,
    &STAGING_NOT_ALLOWED,
    &RECALL_FAILED,
    &CORRUPT,
    &UNSUPPORTED,
    &INTERNAL,
    &METHOD_NOT_ALLOWED,
    &PRECONDITION_FAILED,
    &RANGE_NOT_SATISFIABLE,
    &TIMEOUT,
    &CREDENTIALS_NEEDED,
    &NOT_ALLOWED,
    &WRONG_STATE,
    &KEY_REUSED,
    &TOO_MANY,
    &QUOTA,
    &UNDRAWABLE,
    &UNCOMPUTABLE,
    &NOT_ACCEPTABLE,
];
