-- How many airports each state has, of the table that the import of airports.csv makes.
SELECT state, count(*) AS airports, count(DISTINCT city) AS cities
FROM airports
WHERE state <> ''
GROUP BY state
HAVING count(*) >= :minimum
ORDER BY airports DESC, state
