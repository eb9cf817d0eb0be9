"""Files in: from YAML text to frozen models, with the place of everything and all errors at once.

    reader     text → `Document`: plain data that remembers line and column of every key and value
    variables  `$name` → its value, before anything else looks at the data
    model      the base of all models, and entries whose first word says what they are
    scalars    `Duration` and `Percent`, one syntax everywhere
    expect     what a check's value should be
    validate   `Document` → model; what pydantic finds, in the words of the file
    schema     model → JSON Schema, for editors
    problems   what is wrong so far, in any number of files

Every step adds to one `Problems` and returns None, or a usable rest, where it found some; the caller raises once.
"""
