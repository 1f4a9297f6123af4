//! Call records, transcripts and hand-offs in SQLite.
