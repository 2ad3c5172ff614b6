"""Ways to run the command and to judge how it ended."""

import csv
import json
import subprocess
import sys

import numpy as np

GAPS = "x,y,s\n1,2,a\n,3,b\n4,NA,c\n5,6,d\nnan,null,e\n"
TWO = "name,x,y\na,0,1\nb,0,2\nc,9,8\nd,9,9\n"


def child(*argv, **options):
    """Start the command in a process of its own."""
    command = [sys.executable, "-m", "coterie", *map(str, argv)]
    return subprocess.run(command, capture_output=True, text=True, **options)


def kmeans(run, path, *argv, k=2):
    return run("kmeans", path, "--n-clusters", k, *argv)


def gmm(run, path, *argv, k=2):
    return run("gmm", path, "--n-components", k, *argv)


def linkage(run, path, *argv):
    return run("linkage", path, *argv)


def report(run, path, *argv, k=2, command=kmeans):
    code, out, err = command(run, path, "--json", *argv, k=k)
    assert code == 0, err
    return json.loads(out)


def gmm_report(run, path, *argv, k=2):
    return report(run, path, *argv, k=k, command=gmm)


def linkage_report(run, path, *argv):
    code, out, err = linkage(run, path, "--json", *argv)
    assert code == 0, err
    return json.loads(out)


def rows_of(path):
    """The rows of a CSV file, a dict each."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def column(path, name):
    """A column of a CSV file as numbers, NaN where empty."""
    return np.array([float(row[name] or "nan") for row in rows_of(path)])


def refused(result, *words):
    """Exit code 2, nothing on stdout, one line on stderr that holds the words."""
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("coterie: error: ")
    for word in words:
        assert str(word) in err
    return err
