-- States by how many zip codes and how many airports they have; a state, or all of them where none is asked for.
SELECT z.state, z.zip_codes, z.counties, coalesce(a.airports, 0) AS airports
FROM (
    SELECT state, count(*) AS zip_codes, count(DISTINCT county) AS counties
    FROM zipcodes
    WHERE state <> ''
    GROUP BY state
) AS z
LEFT JOIN (SELECT state, count(*) AS airports FROM airports GROUP BY state) AS a ON a.state = z.state
WHERE coalesce(:state, '') = '' OR z.state = :state
ORDER BY z.zip_codes DESC, z.state
