"""What every report is made of: numbers in words, tables, figures, documents."""
