"""The paper's whole study: independent tasks on a pair of corpora, their results, the claims."""
